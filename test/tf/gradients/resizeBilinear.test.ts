import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { resizeGradientNative, resizeGradientPortable } from '../../../src/tf/gradients/resizeBilinear.js';
import { isNative, tf } from '../../../src/tf/index.js';

const draw = (shape: readonly number[], seed: number) => {
  const random = new Random(seed);
  return Float32Array.from({ length: shape.reduce((p, q) => p * q, 1) }, () => random.normal());
};

describe('the gradient of resizeBilinear', () => {
  test.each([
    [[2, 3, 4, 2], [7, 5], false, true],
    [[1, 6, 5, 1], [3, 2], false, true],
    [[1, 1, 4, 2], [3, 9], false, true],
    [[1, 4, 3, 1], [6, 5], true, false],
    [[1, 4, 3, 1], [6, 7], false, false],
  ] as const)(
    'of %j to %j (align corners %s, half pixels %s) equals finite differences',
    (shape, size, align, half) => {
      tf.tidy(() => {
        const data = draw(shape, 1);
        const resize = (x: tf.Tensor) =>
          tf.image.resizeBilinear(x as tf.Tensor4D, [size[0], size[1]], align, half);
        const x = (values: Float32Array) => tf.tensor4d(values, [...shape]);
        const weights = tf.tensor(draw(resize(x(data)).shape, 2), resize(x(data)).shape);
        const value = (values: Float32Array) => resize(x(values)).mul(weights).sum().dataSync()[0] ?? 0;
        const analytic = tf
          .grad((t) => resize(t).mul(weights).sum())(x(data.slice()))
          .dataSync();
        const step = 0.5; // the operation is linear, so the step may be large
        for (let i = 0; i < data.length; i++) {
          const moved = (by: number) => value(data.map((v, j) => (i === j ? v + by : v)));
          expect(analytic[i]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 3);
        }
      });
    },
  );

  const onTensorFlow = isNative() ? test : test.skip;
  onTensorFlow("is the same through TensorFlow's kernel and through matrix products", () => {
    tf.tidy(() => {
      const how = { alignCorners: false, halfPixelCenters: true };
      const images = tf.tensor4d(draw([2, 3, 5, 2], 3), [2, 3, 5, 2]);
      const dy = tf.tensor4d(draw([2, 8, 7, 2], 4), [2, 8, 7, 2]);
      const difference = resizeGradientNative(dy, images, how).sub(resizeGradientPortable(dy, images, how));
      expect(difference.abs().max().dataSync()[0]).toBeLessThan(1e-5);
    });
  });
});
