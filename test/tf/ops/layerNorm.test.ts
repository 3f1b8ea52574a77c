import { describe, expect, test } from '@jest/globals';
import { isNative, layerNorm, normalisePortable, tf } from '../../../src/tf/index.js';

describe('layer normalisation', () => {
  const onTensorFlow = isNative() ? test : test.skip;
  onTensorFlow.each([[[5, 16]], [[2, 3, 4, 8]], [[1, 3]]])(
    'of %j is the same through batch norm and composed, with its gradient',
    (shape) => {
      tf.tidy(() => {
        const width = shape.at(-1) as number;
        const draw = (size: number[], seed: number) => tf.randomNormal(size, 1, 3, 'float32', seed);
        const inputs = [draw(shape, 7), draw([width], 8), draw([width], 9)];
        const dy = draw(shape, 10);
        const fused = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) => layerNorm(x, w, b, 1e-6);
        const composed = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) =>
          normalisePortable(x, 1e-6).mul(w).add(b);
        const results = [fused, composed].map((f) => {
          const of = (...xs: tf.Tensor[]) => f(...(xs as [tf.Tensor, tf.Tensor, tf.Tensor]));
          return [
            of(...inputs),
            ...tf.grads((...xs) =>
              of(...xs)
                .mul(dy)
                .sum(),
            )(inputs),
          ];
        });
        const [ours, theirs] = results as [tf.Tensor[], tf.Tensor[]];
        for (const [i, tensor] of ours.entries())
          expect(
            tensor
              .sub(theirs[i] as tf.Tensor)
              .abs()
              .max()
              .dataSync()[0],
          ).toBeLessThan(1e-4);
      });
    },
  );
});
