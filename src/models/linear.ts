import { affine, isNative, layerNorm, tf } from '../tf/index.js';
import type { Weights } from './parameters.js';

/** `x W + b` over the last axis: `[..., in] -> [..., out]`; the bias may be absent. */
export function linear(x: tf.Tensor, weights: Weights, name: string): tf.Tensor {
  return project(
    x,
    weights.get(`${name}.weight`),
    weights.has(`${name}.bias`) ? weights.get(`${name}.bias`) : undefined,
  );
}

/** The same with the matrix given as a tensor: `[in, out]` or `[1, 1, in, out]`. */
export function project(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const [inputs, outputs] = weight.shape.slice(-2) as [number, number];
    const matrix =
      weight.rank === 2 ? (weight as tf.Tensor2D) : (weight.reshape([inputs, outputs]) as tf.Tensor2D);
    if (isNative()) return affine(x, matrix, bias);
    const rows = x.reshape([-1, inputs]) as tf.Tensor2D;
    const y = bias === undefined ? tf.matMul(rows, matrix) : tf.fused.matMul({ a: rows, b: matrix, bias });
    return y.reshape([...x.shape.slice(0, -1), outputs]);
  });
}

/** Layer norm over the last axis with the weights `name.weight` and `name.bias`. */
export function norm(x: tf.Tensor, weights: Weights, name: string, eps: number): tf.Tensor {
  return layerNorm(x, weights.get(`${name}.weight`), weights.get(`${name}.bias`), eps);
}

/** Linear layers `name.layers.0 ..` with ReLU between them. */
export function mlpHead(x: tf.Tensor, weights: Weights, name: string, depth: number): tf.Tensor {
  return tf.tidy(() => {
    let y = x;
    for (let i = 0; i < depth; i++) {
      y = linear(y, weights, `${name}.layers.${i}`);
      if (i < depth - 1) y = y.relu();
    }
    return y;
  });
}

/** Group norm over `[B, H, W, C]`: statistics over the pixels and the channels of a group. */
export function groupNorm(
  x: tf.Tensor4D,
  weights: Weights,
  name: string,
  groups: number,
  eps = 1e-5,
): tf.Tensor4D {
  return tf.tidy(() => {
    const centred = x.sub(groupMeans(x, groups)) as tf.Tensor4D;
    const variance = groupMeans(centred.square(), groups);
    const normalised = centred.mul(variance.add(eps).rsqrt());
    return normalised.mul(weights.get(`${name}.weight`)).add(weights.get(`${name}.bias`)) as tf.Tensor4D;
  });
}

/**
 * Means of each group's pixels and channels, `[B, 1, 1, C]`.
 *
 * One axis at a time: TensorFlow and ONNX Runtime add the numbers of one reduction in turn, and rounding in a sum of
 * 262,144 like numbers, a picture's background, moves the result by 4e-3 in either of them; in sums of 256 by 1e-5.
 */
function groupMeans(x: tf.Tensor4D, groups: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const size = channels / groups;
  const ofRows = x.reshape([batch, height, width * channels]).mean(1);
  const ofPixels = ofRows.reshape([batch, width, channels]).mean(1);
  const ofGroups = ofPixels.reshape([batch, groups, size]).mean(2, true);
  return ofGroups.tile([1, 1, size]).reshape([batch, 1, 1, channels]);
}
