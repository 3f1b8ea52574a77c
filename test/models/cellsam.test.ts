import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { scoredBoxes } from '../../src/models/cellfinder/scoredBoxes.js';
import { CellSam } from '../../src/models/cellsam.js';
import { tf } from '../../src/tf/index.js';
import { twoEncoderConfig } from '../support/tinyModel.js';

const config = twoEncoderConfig(3);
const HEAD = 'cellfinder.decode_head.transformer.class_embed';

test('arrays -> model -> arrays is bit-equal, with a copy of the shared heads for every decoder layer', () => {
  const model = CellSam.create(config, new Random(1));
  const arrays = model.toArrays();
  const again = CellSam.fromArrays(config, arrays);
  const second = again.toArrays();
  expect([...second.keys()]).toEqual([...arrays.keys()]);
  for (const [name, array] of arrays) {
    expect(second.get(name)?.shape).toEqual(array.shape);
    expect(second.get(name)?.data).toEqual(array.data);
  }
  expect(arrays.has(`${HEAD}.2.weight`)).toBe(true);
  expect(arrays.has(`${HEAD}.3.weight`)).toBe(false);
  model.dispose();
  again.dispose();
});

test('copies of a shared head that differ, and heads of layers that the model lacks, are errors', () => {
  const model = CellSam.create(config, new Random(1));
  const arrays = model.toArrays();
  const head = arrays.get(`${HEAD}.0.weight`);
  if (head === undefined) throw new Error('the model has no class head');
  const changed = { ...head, data: new Float32Array(head.data.length) };
  expect(() => CellSam.fromArrays(config, new Map([...arrays, [`${HEAD}.1.weight`, changed]]))).toThrow(
    'heads that all decoder layers share differ',
  );
  expect(() => CellSam.fromArrays(config, new Map([...arrays, [`${HEAD}.3.weight`, head]]))).toThrow('1 of');
  model.dispose();
});

test('boxes are the last decoder layer’s, also where the others’ are not computed', () => {
  const model = CellSam.create(config, new Random(1));
  tf.tidy(() => {
    const { detectorTokens } = model.encode(tf.randomNormal([1, 32, 32, 3]) as tf.Tensor4D);
    const found = (['all', 'last'] as const).map((read) => {
      const output = model.detect({ detectorTokens }, undefined, read);
      const { scores, boxes } = scoredBoxes(output, 32);
      return { layers: 'boxes' in output ? output.boxes.shape[0] : 0, values: tf.concat([scores.flatten(), boxes.flatten()]) }; // biome-ignore format: one
    });
    expect(found.map(({ layers }) => layers)).toEqual([3, 1]);
    const [all, last] = found.map(({ values }) => values.dataSync());
    for (const [i, value] of (last as Float32Array).entries())
      expect(Math.abs(value - ((all as Float32Array)[i] as number))).toBeLessThan(1e-5 * 32);
  });
  model.dispose();
});
