import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import type { Batch } from '../../src/data/sample.js';
import { CellSam } from '../../src/models/cellsam.js';
import { tf } from '../../src/tf/index.js';
import { gradientOptions, gradientsOf } from '../../src/train/gradients.js';
import { type StageOptions, stageLoss } from '../../src/train/stages/stage.js';
import { queryConfig } from '../support/tinyModel.js';

const side = 32;
const config = (attentionType: 'RCDA' | 'nn.MultiheadAttention') =>
  queryConfig(attentionType, { depth: 2, encLayers: 1, decLayers: 2 });

function batchOf(images: number): Batch {
  const random = new Random('batch');
  const boxes = Array.from({ length: images }, () => [2, 3, 12, 14, 14, 3, 24, 23]).flat();
  const labels = new Int32Array(side * side);
  for (let i = 0; i < labels.length; i++) {
    const [x, y] = [i % side, Math.floor(i / side)];
    if (y >= 3 && y < 14 && x >= 2 && x < 12) labels[i] = 1;
    if (y >= 3 && y < 23 && x >= 14 && x < 24) labels[i] = 2;
  }
  return {
    ids: Array.from({ length: images }, (_, i) => `${i}`),
    images: Float32Array.from({ length: images * side * side * 3 }, () => random.normal()),
    boxes: Float32Array.from(boxes),
    offsets: Int32Array.from({ length: images + 1 }, (_, i) => 2 * i),
    sizes: Array.from({ length: 2 * images }, () => side),
    masks: Array.from({ length: images }, () => ({ width: side, height: side, data: labels, count: 2 })),
    cursor: { epoch: 0, position: 0, random: [] },
  } as unknown as Batch;
}

/** Gradients of a stage in both ways: names, loss, and the worst difference relative to a gradient's largest magnitude. */
function compare(model: CellSam, stage: StageOptions['stage'], names: readonly string[]) {
  const options = { stage, promptsPerImage: 2, boxJitter: 0, trained: names };
  const batch = batchOf(2);
  const run = (recompute: boolean) =>
    gradientsOf(model.parameters, names, () => stageLoss(model, batch, options, new Random(1)).total, {
      recompute,
    });
  const plain = run(false);
  const before = tf.memory().numTensors;
  const lean = run(true);
  expect(tf.memory().numTensors - before).toBe(lean.grads.size); // nothing but the gradients is left
  const differences = [...plain.grads].map(([name, g]) =>
    tf.tidy(() => {
      const own = lean.grads.get(name);
      const top = Math.max(1e-4, g.abs().max().dataSync()[0] as number);
      return own === undefined ? Number.NaN : (own.sub(g).abs().max().dataSync()[0] as number) / top;
    }),
  );
  const result = {
    names: [[...lean.grads.keys()].sort(), [...plain.grads.keys()].sort()],
    loss: Math.abs(lean.loss - plain.loss),
    worst: Math.max(...differences),
  };
  tf.dispose([...lean.grads.values(), ...plain.grads.values()]);
  return result;
}

describe('gradients with recomputation', () => {
  const patterns: [StageOptions['stage'], 'RCDA' | 'nn.MultiheadAttention', RegExp][] = [
    ['joint', 'RCDA', /./],
    ['detector', 'nn.MultiheadAttention', /./],
    ['masks', 'RCDA', /neck|mask_decoder/],
    ['joint', 'RCDA', /blocks\.1|decoder_layers\.0|adapt_pos1d/],
  ];

  test.each(patterns)(
    'stage %s, %s, weights %s: the same weights get the same gradients',
    (stage, type, pattern) => {
      const model = CellSam.create(config(type), new Random('model'));
      const { parameters } = model;
      const names = parameters.names().filter((name) => parameters.get(name).trainable && pattern.test(name));
      const { names: [lean, plain], loss, worst } = compare(model, stage, names); // biome-ignore format: short
      expect(lean).toEqual(plain);
      expect(loss).toBeLessThan(1e-5);
      expect(worst).toBeLessThan(1e-3);
      model.dispose();
    },
  );

  test('in bfloat16 are within a tenth of their norm of those in float32, and leave no tensors', () => {
    const model = CellSam.create(config('RCDA'), new Random('model'));
    const { parameters } = model;
    const names = parameters.names().filter((name) => parameters.get(name).trainable);
    const stage = { stage: 'joint', promptsPerImage: 2, boxJitter: 0, trained: names } as const;
    const run = (bfloat16: boolean) =>
      gradientsOf(parameters, names, () => stageLoss(model, batchOf(2), stage, new Random(1)).total, {
        recompute: true,
        bfloat16,
      });
    const exact = run(false);
    const before = tf.memory().numTensors;
    const rounded = run(true);
    expect(tf.memory().numTensors - before).toBe(rounded.grads.size);
    const norm = (of: (name: string, g: tf.Tensor) => tf.Tensor) =>
      Math.hypot(
        ...[...exact.grads].map(([name, g]) => tf.tidy(() => of(name, g).norm().dataSync()[0] as number)),
      );
    const apart = norm((name, g) => g.sub(rounded.grads.get(name) as tf.Tensor)) / norm((_, g) => g);
    expect(apart).toBeGreaterThan(1e-5);
    expect(apart).toBeLessThan(0.1);
    expect(Math.abs(rounded.loss / exact.loss - 1)).toBeLessThan(0.01);
    tf.dispose([...exact.grads.values(), ...rounded.grads.values()]);
    model.dispose();
  });
});

describe('how gradients of a run are taken', () => {
  const small = config('RCDA');
  const choose = (recompute: boolean | 'auto', bfloat16: boolean, obstacle?: string) =>
    gradientOptions({ recompute, bfloat16 }, small, () => obstacle);

  test('small models keep everything, unless they ask for bfloat16, which needs recomputation', () => {
    expect(choose('auto', false).recompute).toBe(false);
    expect(choose('auto', true)).toEqual({ recompute: true, bfloat16: true });
    expect(() => choose(false, true)).toThrow(/train.recompute is false/);
    expect(() => choose('auto', true, 'no such instructions')).toThrow(/no such instructions/);
  });
});
