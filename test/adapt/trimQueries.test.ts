import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { queriesFor, spread, trimQueries } from '../../src/adapt/trimQueries.js';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { tf } from '../../src/tf/index.js';
import { baseModel, changedFrom } from '../../src/weights/base.js';
import { loadModelFile, saveModelFile } from '../../src/weights/modelFile.js';

const POSITIONS = 'cellfinder.decode_head.transformer.position.weight';

test('points that are kept cover the square: of a 5 x 5 grid the middle and the corners', () => {
  const xy = Float32Array.from(
    { length: 50 },
    (_, k) => 0.1 + 0.2 * (k % 2 === 0 ? (k / 2) % 5 : Math.floor(k / 10)),
  );
  expect(spread(xy, 5)).toEqual([0, 4, 12, 20, 24]);
  expect(spread(xy, 99)).toHaveLength(25);
});

test('a trimmed model keeps points of the old one; its file holds them alone and tells their number', async () => {
  const size = preset('tiny');
  const vit = { ...size.vit, imgSize: 64, stem: 'patch' as const };
  const cellfinder = {
    ...size.cellfinder,
    proposals: 'learned' as const,
    numQueryPosition: 150,
    decLayers: 1,
  };
  const whole = CellSam.create({ ...size, vit, cellfinder }, new Random('trim'));
  const trimmed = trimQueries(whole, queriesFor(20)) as CellSam;
  expect(trimmed.config.cellfinder.numQueryPosition).toBe(100);
  expect(trimQueries(trimmed, 100)).toBeUndefined();
  const positions = (model: CellSam) => model.parameters.get(POSITIONS).arraySync() as number[][];
  const all = new Set(positions(whole).map(String));
  expect(positions(trimmed).every((point) => all.has(String(point)))).toBe(true);

  // Only what changed is stored; the file is read back with its own number of queries.
  const folder = mkdtempSync(join(tmpdir(), 'trim-'));
  const [base, own] = [join(folder, 'base.safetensors'), join(folder, 'own.safetensors')];
  const card = { config: whole.config, training: 'none', licence: 'none' };
  await saveModelFile(base, whole.toArrays(), card);
  const changed = changedFrom(whole.toArrays(), trimmed.toArrays());
  expect([...changed.keys()]).toEqual([POSITIONS]);
  await saveModelFile(own, changed, { ...card, config: trimmed.config }, { base: await baseModel(base) });
  const { model } = await loadModelFile(own);
  const image = tf.randomUniform([1, 64, 64, 3], -1, 1, 'float32', 1) as tf.Tensor4D;
  const [a, b] = [trimmed, model].map((m) => {
    const output = m.detect(m.encode(image));
    return [...output.boxes.dataSync(), ...output.logits.dataSync()];
  });
  expect(a).toHaveLength(100 * 5);
  expect(b).toEqual(a);
  for (const m of [whole, trimmed, model]) m.dispose();
});
