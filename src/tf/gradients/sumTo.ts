import type * as tf from '@tensorflow/tfjs';
import { detach } from '../operators.js';

/** Undoes broadcasting: sums over the axes in which `shape` is 1 or absent. Always a tensor of its own. */
export function sumTo(gradient: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const lead = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((size, i) =>
    i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : [],
  );
  if (axes.length === 0 && lead === 0) return detach(gradient);
  return (axes.length > 0 ? gradient.sum(axes) : gradient).reshape([...shape]);
}
