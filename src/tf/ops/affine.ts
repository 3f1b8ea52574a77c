import type * as tf from '@tensorflow/tfjs';
import { into } from '../free.js';
import { op } from '../operators.js';
import { attributes as a, kernel } from './kernel.js';
import { product } from './matmul.js';

/**
 * `x W + b` over the last axis as one operator with one node on the tape; needs real TensorFlow.
 *
 * @param x `[..., in]` @param matrix `[in, out]` @param bias `[out]`
 */
export function affine(x: tf.Tensor, matrix: tf.Tensor2D, bias?: tf.Tensor): tf.Tensor {
  const shape = [...x.shape.slice(0, -1), matrix.shape[1]];
  return op(
    { x, matrix, ...(bias === undefined ? {} : { bias }) },
    (save) => {
      save(x, matrix);
      const y = product(rowsOf(x), matrix);
      return shaped(bias === undefined ? y : into(y, (rows) => biased(rows, bias)), shape);
    },
    (dy, [saved, weight]) => ({
      x: () => shaped(product(rowsOf(dy), weight as tf.Tensor, { b: true }), (saved as tf.Tensor).shape),
      matrix: () => product(rowsOf(saved as tf.Tensor), rowsOf(dy), { a: true }),
      bias: () => rowsOf(dy).sum(0),
    }),
  );
}

const shaped = (x: tf.Tensor, shape: number[]): tf.Tensor => (x.rank === shape.length ? x : x.reshape(shape));

/** All axes but the last as one. */
const rowsOf = (x: tf.Tensor): tf.Tensor => (x.rank === 2 ? x : x.reshape([-1, x.shape.at(-1) as number]));

const biased = (rows: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
  kernel(
    'BiasAdd',
    [a.type('T', 'float32'), a.string('data_format', 'NHWC')],
    [rows, bias],
    1,
  )[0] as tf.Tensor;
