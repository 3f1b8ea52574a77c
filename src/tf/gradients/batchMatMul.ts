import * as tf from '@tensorflow/tfjs';

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

/** Undoes broadcasting: sums over the axes in which `shape` is 1 or absent. */
function sumTo(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.tidy(() => {
    const lead = gradient.rank - shape.length;
    const axes = gradient.shape.flatMap((size, i) =>
      i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : [],
    );
    return (axes.length > 0 ? gradient.sum(axes) : gradient).reshape(shape);
  });
}
