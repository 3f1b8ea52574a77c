import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { affine, isNative, tf } from '../../../src/tf/index.js';

const random = new Random('affine');
const normal = (shape: number[]) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    shape,
  );

/** Value and gradients of `sum(f(x, matrix, bias) * dy)`. */
function all(f: typeof affine, inputs: tf.Tensor[], dy: tf.Tensor): Float32Array[] {
  const [x, matrix, bias] = inputs as [tf.Tensor, tf.Tensor2D, tf.Tensor];
  const y = f(x, matrix, bias);
  const gradients = tf.grads((a, b, c) =>
    f(a as tf.Tensor, b as tf.Tensor2D, c as tf.Tensor)
      .mul(dy)
      .sum()
      .asScalar(),
  )(inputs);
  expect(gradients.map((g) => g.shape)).toEqual(inputs.map((t) => t.shape));
  return [y, ...gradients].map((t) => t.dataSync() as Float32Array);
}

describe('affine', () => {
  // The last is large enough for `MatMul`.
  test.each([[[5, 4]], [[1, 5, 4]], [[1, 1, 5, 4]], [[2, 5, 4]], [[1, 2, 5, 4]], [[1, 512, 256]]])(
    'over %p: as a product and a sum, with their gradients',
    (shape) => {
      if (!isNative()) return;
      tf.tidy(() => {
        const [inputs, outputs] = [shape.at(-1) as number, shape.at(-1) === 4 ? 3 : 256];
        const composed: typeof affine = (x, matrix, bias) =>
          tf
            .matMul(x.reshape([-1, inputs]), matrix)
            .add(bias as tf.Tensor)
            .reshape([...x.shape.slice(0, -1), outputs]);
        const tensors = [normal(shape), normal([inputs, outputs]), normal([outputs])];
        const dy = normal([...shape.slice(0, -1), outputs]);
        const [found, wanted] = [all(affine, tensors, dy), all(composed, tensors, dy)];
        for (const [i, values] of found.entries()) {
          const other = wanted[i] as Float32Array;
          const apart = values.reduce((most, v, k) => Math.max(most, Math.abs(v - (other[k] as number))), 0);
          expect(apart).toBeLessThan(2e-4);
        }
      });
    },
  );
});
