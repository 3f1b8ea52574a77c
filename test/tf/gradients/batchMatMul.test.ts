import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { tf } from '../../../src/tf/index.js';

const STEP = 1e-2;

/** Central differences of `sum(f(x) * weights)`, element by element. */
function numericalGradient(
  f: (x: tf.Tensor) => tf.Tensor,
  x: Float32Array,
  shape: number[],
  weights: tf.Tensor,
): Float32Array {
  const value = (data: Float32Array) =>
    tf.tidy(() => f(tf.tensor(data, shape)).mul(weights).sum().dataSync()[0] ?? 0);
  return x.map((_, i) => {
    const moved = (by: number) => value(x.map((v, j) => (i === j ? v + by : v)));
    return (moved(STEP) - moved(-STEP)) / (2 * STEP);
  });
}

describe('the gradient of matMul', () => {
  test.each([
    [[2, 3, 4], [2, 4, 5], false, false],
    [[1, 3, 4], [2, 4, 5], false, false],
    [[2, 2, 3, 4], [1, 2, 5, 4], false, true],
    [[1, 2, 4, 3], [3, 1, 4, 5], true, false],
    [[3, 1, 4, 3], [1, 2, 5, 4], true, true],
  ])(
    'of %j and %j (transposed %s, %s) equals finite differences',
    (shapeA, shapeB, transposeA, transposeB) => {
      const random = new Random(1);
      const draw = (shape: number[]) =>
        Float32Array.from({ length: shape.reduce((p, q) => p * q, 1) }, () => random.normal());
      const [a, b] = [draw(shapeA), draw(shapeB)];
      tf.tidy(() => {
        const product = (x: tf.Tensor, y: tf.Tensor) => tf.matMul(x, y, transposeA, transposeB);
        const [ta, tb] = [tf.tensor(a.slice(), shapeA), tf.tensor(b.slice(), shapeB)];
        const shape = product(ta, tb).shape;
        const weights = tf.tensor(draw(shape), shape);
        const [da, db] = tf.grads((x, y) =>
          product(x as tf.Tensor, y as tf.Tensor)
            .mul(weights)
            .sum(),
        )([ta, tb]) as [tf.Tensor, tf.Tensor];
        const wantA = numericalGradient((x) => product(x, tb), a, shapeA, weights);
        const wantB = numericalGradient((y) => product(ta, y), b, shapeB, weights);
        for (const [i, value] of da.dataSync().entries())
          expect(Math.abs(value - (wantA[i] as number))).toBeLessThan(5e-3);
        for (const [i, value] of db.dataSync().entries())
          expect(Math.abs(value - (wantB[i] as number))).toBeLessThan(5e-3);
      });
    },
  );
});
