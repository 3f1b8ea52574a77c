import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { isNative, tf } from '../../../src/tf/index.js';
import {
  type Moments,
  NativeMoments,
  PortableMoments,
  SharedOfStep,
} from '../../../src/train/optimiser/moments.js';

const RATES = { learningRate: 0.01, decay: 0.1, betas: [0.9, 0.99], eps: 1e-4 } as const;
const [rows, columns] = [3, 4];
const gradients = Array.from({ length: 10 }, (_, step) => {
  const random = new Random(`gradient ${step}`);
  return Float32Array.from({ length: rows * columns }, () => random.normal());
});
const start = Float32Array.from({ length: rows * columns }, (_, i) => i / 5 - 1);

function updated(moments: Moments): Float32Array {
  const weight = tf.tidy(() => tf.variable(tf.tensor(Float32Array.from(start), [rows, columns])));
  for (const [i, g] of gradients.entries()) {
    const shared = new SharedOfStep();
    const gradient = tf.tensor(Float32Array.from(g), [rows, columns]);
    tf.tidy(() => weight.assign(moments.update(weight, gradient, { ...RATES, step: i + 1 }, shared)));
    gradient.dispose();
    shared.dispose();
  }
  const values = Float32Array.from(weight.dataSync());
  weight.dispose();
  return values;
}

/** The same in double precision, from the definition (Loshchilov and Hutter 2019, algorithm 2). */
function byDefinition(i: number): number {
  let [w, m, v] = [start[i] as number, 0, 0];
  for (const [k, gradient] of gradients.entries()) {
    const g = gradient[i] as number;
    m = 0.9 * m + 0.1 * g;
    v = 0.99 * v + 0.01 * g * g;
    const direction = m / (1 - 0.9 ** (k + 1)) / (Math.sqrt(v / (1 - 0.99 ** (k + 1))) + RATES.eps);
    w -= RATES.learningRate * (direction + RATES.decay * w);
  }
  return w;
}

describe('moments of AdamW', () => {
  const kinds: [string, () => Moments][] = [['composed', () => new PortableMoments([rows, columns])]];
  if (isNative()) kinds.push(["TensorFlow's kernel", () => new NativeMoments([rows, columns])]);

  test.each(kinds)('%s: ten updates follow the definition', (_, create) => {
    const before = tf.memory().numTensors;
    const moments = create();
    const found = updated(moments);
    for (const [i, value] of found.entries()) expect(Math.abs(value - byDefinition(i))).toBeLessThan(2e-6);
    moments.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each(kinds)('%s: goes on from what was read', (_, create) => {
    const [first, second] = [create(), create()];
    updated(first);
    const [m, v] = first.read();
    second.write('first', m);
    second.write('second', v);
    expect(updated(second)).toEqual(updated(first));
    first.dispose();
    second.dispose();
  });
});
