import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { leanAttention } from '../../../src/models/lean/attention.js';
import { rowColumnMix } from '../../../src/models/lean/rowColumnMix.js';
import { tf } from '../../../src/tf/index.js';

type T3 = tf.Tensor3D;

const random = new Random('chunks');
const draw = (...shape: [number, number, number]): T3 =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal()),
    shape,
  ) as T3;

/** Value and gradients, under a random direction, of two forms of one function: the largest relative difference. */
function apart(
  inputs: T3[],
  direction: T3,
  lean: (...x: T3[]) => tf.Tensor,
  plain: (...x: T3[]) => tf.Tensor,
): number {
  return tf.tidy(() => {
    const both = [lean, plain].map((f) => {
      const weighted = (...x: tf.Tensor[]) => f(...(x as T3[])).mul(direction).sum(); // biome-ignore format: one thought
      return [f(...inputs), ...tf.grads(weighted)(inputs)];
    }) as [tf.Tensor[], tf.Tensor[]];
    const differences = both[0].map((a, i) => {
      const b = both[1][i] as tf.Tensor;
      return a.sub(b).abs().max().div(b.abs().max()).dataSync()[0] as number;
    });
    return Math.max(...differences);
  });
}

describe('pieces of attention that hold few scores at a time', () => {
  test('attention over more scores than a chunk holds equals the plain form, padded keys and all', () => {
    const [b, d, n, m] = [3, 4, 1700, 1500]; // one attention at a time, in two ranges of queries
    const before = tf.memory().numTensors;
    const inputs = [draw(b, d, n), draw(b, d, m), draw(b, d, m)];
    const bias = tf.tidy(() => draw(b, m, 1).greater(1).toFloat().mul(-1e9).reshape([b, m])) as tf.Tensor2D;
    const direction = draw(b, d, n);
    const plain = (q: T3, k: T3, v: T3) => {
      const shares = tf.matMul(q, k, true, false).add(bias.expandDims(1)).softmax();
      return tf.matMul(v, shares as T3, false, true);
    };
    expect(
      apart(inputs, direction, (q, k, v) => leanAttention(q as T3, k as T3, v as T3, bias), plain),
    ).toBeLessThan(1e-5);
    tf.dispose([...inputs, bias, direction]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('sums over rows and columns of more queries than a chunk holds equal the plain form', () => {
    const [b, q, across, down, d] = [2, 1300, 5, 64, 32];
    const before = tf.memory().numTensors;
    const inputs = [draw(b, q, across), draw(b, q, down), draw(b, across, down * d)];
    const direction = draw(b, q, d);
    const plain = (first: T3, second: T3, values: T3) =>
      tf.matMul(first, values).reshape([b, q, down, d]).mul(second.expandDims(3)).sum(2);
    expect(
      apart(inputs, direction, (f, s, v) => rowColumnMix(f as T3, s as T3, v as T3), plain),
    ).toBeLessThan(1e-5);
    tf.dispose([...inputs, direction]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
