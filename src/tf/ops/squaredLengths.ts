import * as tf from '@tensorflow/tfjs';
import { isNative } from '../backend.js';
import { into } from '../free.js';
import { attributes as a, kernel } from './kernel.js';

/**
 * Sums of squares of rows: `[r, c] -> [r]`; without a gradient. On TensorFlow in one pass, which takes a third of the time of
 * two that write the squares and read them again.
 */
export function squaredLengths(x: tf.Tensor): tf.Tensor {
  if (!isNative()) return into(x.square(), (y) => y.sum(1));
  const attributes = [a.type('T', 'float32'), a.type('Tidx', 'int32'), a.bool('keep_dims', false)];
  const lengths = into(
    tf.scalar(1, 'int32'),
    (axis) => kernel('EuclideanNorm', attributes, [x, axis], 1)[0] as tf.Tensor,
  );
  return into(lengths, (y) => y.square());
}
