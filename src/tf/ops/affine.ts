import type * as tf from '@tensorflow/tfjs';
import { into } from '../free.js';
import { op } from '../operators.js';
import { attributes as a, kernel } from './kernel.js';
import { isFasterPlain, product } from './matmul.js';

/**
 * `x W + b` over the last axis as one operator with one node on the tape; needs real TensorFlow.
 *
 * @param x `[..., in]` @param matrix `[in, out]` @param bias `[out]`
 */
export function affine(x: tf.Tensor, matrix: tf.Tensor2D, bias?: tf.Tensor): tf.Tensor {
  return op(
    { x, matrix, ...(bias === undefined ? {} : { bias }) },
    (save) => {
      save(x, matrix);
      const y = ofRows(x, matrix, false);
      return bias === undefined ? y : into(y, (product) => biased(product, bias));
    },
    (dy, [saved, weight]) => ({
      x: () => ofRows(dy, weight as tf.Tensor2D, true),
      matrix: () => ofMatrix(saved as tf.Tensor, dy, matrix.shape),
      bias: () => kernel('BiasAddGrad', biasAttributes(), [dy], 1)[0] as tf.Tensor,
    }),
  );
}

/** `x M` over the last axis. */
function ofRows(x: tf.Tensor, matrix: tf.Tensor2D, isTransposed: boolean): tf.Tensor {
  if (isOneMatrix(x) && !isFasterPlain(x, matrix, isTransposed))
    return product(x, matrix, { b: isTransposed });
  const shape = [...x.shape.slice(0, -1), matrix.shape[isTransposed ? 0 : 1] as number];
  return shaped(product(rowsOf(x), matrix, { b: isTransposed }), shape);
}

/** `x^T dy`, summed over all rows. */
function ofMatrix(x: tf.Tensor, dy: tf.Tensor, shape: number[]): tf.Tensor {
  const isBatched = isOneMatrix(x) && !isFasterPlain(x, dy, false);
  const [left, right] = isBatched ? [x, dy] : [rowsOf(x), rowsOf(dy)];
  return shaped(product(left, right, { a: true }), shape);
}

/** Whether all axes before the last two are 1: then products take it as it is, and two reshapes are saved. */
const isOneMatrix = (x: tf.Tensor): boolean => x.shape.slice(0, -2).every((size) => size === 1);

const shaped = (x: tf.Tensor, shape: number[]): tf.Tensor => (x.rank === shape.length ? x : x.reshape(shape));

/** All axes but the last as one. */
const rowsOf = (x: tf.Tensor): tf.Tensor => (x.rank === 2 ? x : x.reshape([-1, x.shape.at(-1) as number]));

const biasAttributes = () => [a.type('T', 'float32'), a.string('data_format', 'NHWC')];

const biased = (x: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
  kernel('BiasAdd', biasAttributes(), [x, bias], 1)[0] as tf.Tensor;
