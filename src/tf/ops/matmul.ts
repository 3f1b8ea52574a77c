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
 * Multiplications from which `MatMul` is safe. Smaller products go to a routine of oneDNN whose stack pointer points into the
 * heap meanwhile (oneDNN issue 4845): a signal at that moment, an interrupt or a profiler's, destroys it. Found with every
 * product of up to 2e7 that was tried under a profiler, and with none from 2.8e7.
 */
const SAFE = 2 ** 25;

/**
 * Matrix product over the last two axes, leading axes broadcast; without a gradient.
 *
 * On TensorFlow large plain matrices go to `MatMul`, a tenth faster than the `BatchMatMulV2` that `tf.matMul` always takes. A
 * right operand that is transposed and thin is the exception: there `MatMul` runs at a third of its speed.
 */
export function product(left: tf.Tensor, right: tf.Tensor, transposed: Transposed = {}): tf.Tensor {
  const [isA, isB] = [transposed.a ?? false, transposed.b ?? false];
  if (!isNative()) return tf.matMul(left, right, isA, isB);
  const isPlain = left.rank === 2 && right.rank === 2 && isFasterPlain(left, right, isB);
  const [name, ofA, ofB] = isPlain
    ? ['MatMul', 'transpose_a', 'transpose_b']
    : ['BatchMatMulV2', 'adj_x', 'adj_y'];
  const [result] = kernel(
    name as string,
    [a.type('T', 'float32'), a.bool(ofA as string, isA), a.bool(ofB as string, isB)],
    [left, right],
    1,
  );
  return result as tf.Tensor;
}

/** Whether `MatMul` is safe and faster for these as plain matrices. */
export function isFasterPlain(left: tf.Tensor, right: tf.Tensor, isB: boolean): boolean {
  const isThin = Math.min(...right.shape) < 128;
  const outputs = right.shape[isB ? 0 : 1] as number;
  return left.size * outputs >= SAFE && !(isB && isThin);
}
