import * as tf from '@tensorflow/tfjs';
import { isNative } from '../backend.js';
import { attributes as a, kernel } from './kernel.js';

/** Which operand is transposed: its last two axes are exchanged. */
export interface Transposed {
  readonly a?: boolean;
  readonly b?: boolean;
}

/** A matrix product over the last two axes, leading axes broadcast; without a gradient. */
export type Product = (left: tf.Tensor, right: tf.Tensor, transposed?: Transposed) => tf.Tensor;

/**
 * Matrix product over the last two axes, leading axes broadcast; without a gradient.
 *
 * On TensorFlow plain matrices go to `MatMul`, a tenth faster than the `BatchMatMulV2` that `tf.matMul` always takes. A
 * right operand that is transposed and thin is the exception: there `MatMul` runs at a third of its speed.
 */
export function product(left: tf.Tensor, right: tf.Tensor, transposed: Transposed = {}): tf.Tensor {
  const [isA, isB] = [transposed.a ?? false, transposed.b ?? false];
  const thin = Math.min(...right.shape.slice(-2)) < 128;
  if (!isNative() || left.rank !== 2 || right.rank !== 2 || (isB && thin))
    return tf.matMul(left, right, isA, isB);
  const [result] = kernel(
    'MatMul',
    [a.type('T', 'float32'), a.bool('transpose_a', isA), a.bool('transpose_b', isB)],
    [left, right],
    1,
  );
  return result as tf.Tensor;
}
