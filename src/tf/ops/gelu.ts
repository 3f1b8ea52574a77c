import * as tf from '@tensorflow/tfjs';
import { op } from '../operators.js';

/** The exact GELU, `x (1 + erf(x / sqrt 2)) / 2`; keeps only its input for the backward pass. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return op(
    { x },
    (save) => {
      save(x);
      return tf.tidy(() => cumulative(x).mul(x));
    },
    (dy, [saved]) => ({
      x: () =>
        tf.tidy(() => {
          const z = saved as tf.Tensor;
          const density = z
            .square()
            .mul(-0.5)
            .exp()
            .mul(1 / Math.sqrt(2 * Math.PI));
          return dy.mul(cumulative(z).add(z.mul(density)));
        }),
    }),
  );
}

const cumulative = (x: tf.Tensor): tf.Tensor => x.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
