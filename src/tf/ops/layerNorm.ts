import * as tf from '@tensorflow/tfjs';
import { isNative } from '../backend.js';
import { into } from '../free.js';
import { op } from '../operators.js';
import { attributes as a, kernel } from './kernel.js';

/**
 * `(x - mean) / sqrt(var + eps) * weight + bias` over the last axis, with biased variance.
 *
 * On TensorFlow the normalisation is one kernel, forward and backward: rows become the channels of a batch norm, which
 * takes 0.4 of the time of the composed form. Elsewhere, and in traces for export, it is composed.
 */
export function layerNorm(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, eps: number): tf.Tensor {
  return tf.tidy(() =>
    isNative() ? layerNormNative(x, weight, bias, eps) : normalisePortable(x, eps).mul(weight).add(bias),
  );
}

/** The same as one operator; needs real TensorFlow. */
function layerNormNative(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor, eps: number): tf.Tensor {
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  return op(
    { x, weight, bias },
    (save) => {
      const [normalised, ...reserves] = normaliseRows(x, eps) as [tf.Tensor, ...tf.Tensor[]];
      save(x, weight, normalised, ...reserves);
      return normalised.mul(weight).add(bias);
    },
    (dy, [savedX, savedWeight, normalised, ...reserves]) => ({
      x: () => normaliseRowsGradient(savedX as tf.Tensor, dy.mul(savedWeight as tf.Tensor), reserves, eps),
      weight: () => dy.mul(normalised as tf.Tensor).sum(axes),
      bias: () => dy.sum(axes),
    }),
  );
}

/** The composed form of the normalisation, without weight and bias. */
export function normalisePortable(x: tf.Tensor, eps: number): tf.Tensor {
  return tf.tidy(() => {
    const centred = x.sub(x.mean(-1, true));
    const variance = centred.square().mean(-1, true);
    return centred.mul(variance.add(eps).rsqrt());
  });
}

/** Rows as the channels of a batch norm in NCHW form: the normalised rows, and what the gradient wants back. */
function normaliseRows(x: tf.Tensor, eps: number): tf.Tensor[] {
  const rows = x.size / (x.shape.at(-1) ?? 1);
  const inputs = [asChannels(x), tf.ones([rows]), tf.zeros([rows]), tf.zeros([0]), tf.zeros([0])];
  const [y, , , ...reserves] = kernel('FusedBatchNormV3', batchNormAttributes(eps, true), inputs, 6);
  return [into(y as tf.Tensor, (n) => n.reshape(x.shape)), ...reserves];
}

function normaliseRowsGradient(
  x: tf.Tensor,
  dy: tf.Tensor,
  reserves: readonly tf.Tensor[],
  eps: number,
): tf.Tensor {
  const rows = x.size / (x.shape.at(-1) ?? 1);
  const inputs = [asChannels(dy), asChannels(x), tf.ones([rows]), ...reserves];
  const [dx] = kernel('FusedBatchNormGradV3', batchNormAttributes(eps, false), inputs, 5);
  return into(dx as tf.Tensor, (d) => d.reshape(x.shape));
}

const asChannels = (x: tf.Tensor): tf.Tensor => {
  const width = x.shape.at(-1) ?? 1;
  return x.reshape([1, x.size / width, width, 1]);
};

/**
 * Gradients of `layerNorm`, with the normalisation computed again from its input.
 *
 * @param dy shape of `x`
 */
export function layerNormGradients(
  x: tf.Tensor,
  weight: tf.Tensor,
  eps: number,
  dy: tf.Tensor,
): { readonly x: tf.Tensor; readonly weight: tf.Tensor; readonly bias: tf.Tensor } {
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  return tf.tidy(() => {
    const { normalised, gradient } = isNative() ? reversibleNative(x, eps) : reversiblePortable(x, eps);
    const ofWeight = into(normalised, (n) => into(dy.mul(n), (p) => p.sum(axes)));
    return { x: into(dy.mul(weight), gradient), weight: ofWeight, bias: dy.sum(axes) };
  });
}

interface Reversible {
  readonly normalised: tf.Tensor;
  readonly gradient: (dy: tf.Tensor) => tf.Tensor;
}

function reversibleNative(x: tf.Tensor, eps: number): Reversible {
  const [normalised, ...reserves] = normaliseRows(x, eps) as [tf.Tensor, ...tf.Tensor[]];
  return { normalised, gradient: (dy) => normaliseRowsGradient(x, dy, reserves, eps) };
}

function reversiblePortable(x: tf.Tensor, eps: number): Reversible {
  const centred = x.sub(x.mean(-1, true));
  const scale = centred.square().mean(-1, true).add(eps).rsqrt();
  const normalised = centred.mul(scale);
  return {
    normalised: normalised.clone(),
    gradient: (dy) => {
      const along = dy.mul(normalised).mean(-1, true);
      return dy.sub(dy.mean(-1, true)).sub(normalised.mul(along)).mul(scale);
    },
  };
}

function batchNormAttributes(eps: number, isForward: boolean) {
  const common = [
    a.type('T', 'float32'),
    a.type('U', 'float32'),
    a.float('epsilon', eps),
    a.bool('is_training', true),
    a.string('data_format', 'NCHW'),
  ];
  return isForward ? [...common, a.float('exponential_avg_factor', 1)] : common;
}
