import { describe, expect, test } from '@jest/globals';
import { isNative, normaliseNative, normalisePortable, tf } from '../../../src/tf/index.js';

describe('layer normalisation', () => {
  const onTensorFlow = isNative() ? test : test.skip;
  onTensorFlow.each([[[5, 16]], [[2, 3, 4, 8]], [[1, 3]]])(
    'of %j is the same through batch norm and composed, with its gradient',
    (shape) => {
      tf.tidy(() => {
        const x = tf.randomNormal(shape, 1, 3, 'float32', 7);
        const dy = tf.randomNormal(shape, 0, 1, 'float32', 8);
        const gradient = (f: (t: tf.Tensor, eps: number) => tf.Tensor) =>
          tf.grad((t) => f(t, 1e-6).mul(dy).sum())(x);
        const far = (a: tf.Tensor, b: tf.Tensor) => a.sub(b).abs().max().dataSync()[0];
        expect(far(normaliseNative(x, 1e-6), normalisePortable(x, 1e-6))).toBeLessThan(1e-5);
        expect(far(gradient(normaliseNative), gradient(normalisePortable))).toBeLessThan(1e-4);
      });
    },
  );
});
