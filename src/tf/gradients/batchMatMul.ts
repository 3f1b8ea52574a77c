import * as tf from '@tensorflow/tfjs';
import { sumTo } from './sumTo.js';

/**
 * The gradient of `matMul` with broadcast batch dimensions, which TensorFlow.js's own rejects: the missing sums over the
 * broadcast dimensions are added.
 */
export const batchMatMulGradient: tf.GradConfig = {
  kernelName: 'BatchMatMul',
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved, attributes) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const d = dy as tf.Tensor;
    const { transposeA, transposeB } = attributes as unknown as { transposeA: boolean; transposeB: boolean };
    return {
      a: () =>
        sumTo(transposeA ? tf.matMul(b, d, transposeB, true) : tf.matMul(d, b, false, !transposeB), a.shape),
      b: () =>
        sumTo(transposeB ? tf.matMul(d, a, true, transposeA) : tf.matMul(a, d, !transposeA, false), b.shape),
    };
  },
};
