import { layerNorm, tf } from '../tf/index.js';
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
    const rows = x.reshape([-1, inputs]) as tf.Tensor2D;
    const matrix =
      weight.rank === 2 ? (weight as tf.Tensor2D) : (weight.reshape([inputs, outputs]) as tf.Tensor2D);
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
    const [batch, height, width, channels] = x.shape;
    const size = channels / groups;
    const grouped = x.reshape([batch, height * width, groups, size]);
    const mean = grouped.mean([1, 3], true);
    const centred = grouped.sub(mean);
    const variance = centred.square().mean([1, 3], true);
    const normalised = centred.mul(variance.add(eps).rsqrt()).reshape(x.shape);
    return normalised.mul(weights.get(`${name}.weight`)).add(weights.get(`${name}.bias`)) as tf.Tensor4D;
  });
}
