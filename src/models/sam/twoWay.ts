import { tf } from '../../tf/index.js';
import { linear, norm } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { addScoped, linearSpecs, normSpecs, type WeightSpecs } from '../specs.js';

/** PyTorch's default, unlike the image encoder's (Kirillov et al. 2023). */
const EPS = 1e-5;

export type TwoWayOutput = {
  /** `[n, t, C]`. */
  readonly tokens: tf.Tensor3D;
  /** `[n, h * w, C]`. */
  readonly image: tf.Tensor3D;
};

/**
 * The mask decoder's transformer: prompt tokens look at the image and the image looks back, twice.
 *
 * @param tokens `[n, t, C]` prompt tokens
 * @param image `[n or 1, h * w, C]`; one image common to all prompts is not repeated until it must be
 * @param positions `[1, h * w, C]` dense positional encoding
 */
export function twoWay(
  tokens: tf.Tensor3D,
  image: tf.Tensor3D,
  positions: tf.Tensor3D,
  weights: Weights,
  config: MaskDecoderConfig,
): TwoWayOutput {
  return tf.tidy(() => {
    let q: tf.Tensor = tokens;
    let k: tf.Tensor = image;
    for (let i = 0; i < config.depth; i++) {
      const w = weights.scope(`layers.${i}`);
      const attend = (name: string, a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
        attention(a, b, c, w.scope(name), config.numHeads);
      // The first layer has neither positions nor a residual around its self attention.
      const own =
        i === 0 ? attend('self_attn', q, q, q) : q.add(attend('self_attn', q.add(tokens), q.add(tokens), q));
      q = norm(own, w, 'norm1', EPS);
      q = norm(
        q.add(attend('cross_attn_token_to_image', q.add(tokens), k.add(positions), k)),
        w,
        'norm2',
        EPS,
      );
      q = norm(q.add(linear(linear(q, w, 'mlp.lin1').relu(), w, 'mlp.lin2')), w, 'norm3', EPS);
      k = norm(
        k.add(attend('cross_attn_image_to_token', k.add(positions), q.add(tokens), q)),
        w,
        'norm4',
        EPS,
      );
    }
    const last = attention(
      q.add(tokens),
      k.add(positions),
      k,
      weights.scope('final_attn_token_to_image'),
      config.numHeads,
    );
    q = norm(q.add(last), weights, 'norm_final_attn', EPS);
    return { tokens: q as tf.Tensor3D, image: k as tf.Tensor3D };
  });
}

/** Multi-head attention with separate projections; leading dimensions of 1 are broadcast: `[n, a, C] -> [n, a, C]`. */
export function attention(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  weights: Weights,
  heads: number,
): tf.Tensor {
  return tf.tidy(() => {
    const split = (x: tf.Tensor) => {
      const [n, t, c] = x.shape as [number, number, number];
      return x.reshape([n, t, heads, c / heads]).transpose([0, 2, 1, 3]);
    };
    const q = split(linear(query, weights, 'q_proj'));
    const k = split(linear(key, weights, 'k_proj'));
    const v = split(linear(value, weights, 'v_proj'));
    const headDim = q.shape[3] as number;
    const scores = tf.matMul(q.mul(headDim ** -0.5), k, false, true).softmax();
    const mixed = tf.matMul(scores, v).transpose([0, 2, 1, 3]);
    const [n, t] = mixed.shape as [number, number, number, number];
    return linear(mixed.reshape([n, t, heads * headDim]), weights, 'out_proj');
  });
}

export function twoWaySpecs(config: MaskDecoderConfig): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const dim = config.transformerDim;
  const narrow = dim / config.attentionDownsampleRate;
  for (let i = 0; i < config.depth; i++) {
    const layer: WeightSpecs = new Map();
    attentionSpecs(layer, 'self_attn', dim, dim);
    attentionSpecs(layer, 'cross_attn_token_to_image', dim, narrow);
    linearSpecs(layer, 'mlp.lin1', dim, config.mlpDim);
    linearSpecs(layer, 'mlp.lin2', config.mlpDim, dim);
    attentionSpecs(layer, 'cross_attn_image_to_token', dim, narrow);
    for (let k = 1; k <= 4; k++) normSpecs(layer, `norm${k}`, dim);
    addScoped(specs, `layers.${i}`, layer);
  }
  attentionSpecs(specs, 'final_attn_token_to_image', dim, narrow);
  normSpecs(specs, 'norm_final_attn', dim);
  return specs;
}

function attentionSpecs(specs: WeightSpecs, name: string, dim: number, inner: number): void {
  for (const part of ['q', 'k', 'v']) linearSpecs(specs, `${name}.${part}_proj`, dim, inner);
  linearSpecs(specs, `${name}.out_proj`, inner, dim);
}
