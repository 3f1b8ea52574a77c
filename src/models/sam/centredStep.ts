import { tf } from '../../tf/index.js';
import type { Weights } from '../parameters.js';

/**
 * The first transposed convolution as a matrix `[C, 4 * out]`, its outputs centred over `out`: the norm that follows takes
 * that mean away anyway.
 */
export function centredStep(weights: Weights): { readonly kernel: tf.Tensor2D; readonly bias: tf.Tensor1D } {
  return tf.tidy(() => {
    const filter = weights.get('0.weight'); // [2, 2, out, in]
    const [, , outputs, inputs] = filter.shape as [number, number, number, number];
    const centred = filter.sub(filter.mean(2, true));
    const bias = weights.get('0.bias');
    return {
      kernel: centred.transpose([3, 0, 1, 2]).reshape([inputs, 4 * outputs]) as tf.Tensor2D,
      bias: bias.sub(bias.mean()).tile([4]) as tf.Tensor1D,
    };
  }) as { kernel: tf.Tensor2D; bias: tf.Tensor1D };
}
