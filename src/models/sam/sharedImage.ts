import { tf } from '../../tf/index.js';
import { project } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { centredStep } from './centredStep.js';

/** Projections of the image tokens that one attention looks at, the same for all prompts of an image. */
export type SharedLook = {
  /** Of the common part, by head: `[1, heads, d, p]`. */
  readonly keys: tf.Tensor;
  /** Of positions, offset and bias, which no norm rescales; absent where they are in `keys`. */
  readonly places?: tf.Tensor;
  /** Of the common part, by head: `[1, heads, p, d]`; only where the image is what is looked at. */
  readonly values?: tf.Tensor;
  /** Of the offset, with the bias: `[1, heads, 1, d]`. */
  readonly valueOffset?: tf.Tensor;
};

/** What a layer's norm of the image needs. */
export type SharedNorm = {
  /** `[1, p]`, the common part's mean square over channels, once its mean over them is taken away. */
  readonly squares: tf.Tensor2D;
  /** For this layer and each before it, twice the mean product of the common part with what its values add: `[1, heads, d, p]`. */
  readonly seen: tf.Tensor[];
  /** The same for its `added`: `[1, p]`. */
  readonly seenAdded: tf.Tensor[];
  /** `[C]`, what every token gets besides: bias of the attention before it and offset of the norm before that. */
  readonly added: tf.Tensor1D;
};

export type SharedLayer = {
  readonly toImage: SharedLook;
  readonly toTokens: SharedLook;
  readonly norm: SharedNorm;
};

/** Everything in the mask decoder that does not depend on a prompt; see `maskDecoderForMany`. */
export type SharedImage = {
  readonly height: number;
  readonly width: number;
  readonly layers: readonly SharedLayer[];
  readonly last: SharedLook;
  /** The common part after the first transposed convolution: `[1, p, C]`, and the same of the offset, with the bias: `[C]`. */
  readonly upscaled: tf.Tensor3D;
  readonly upscaledOffset: tf.Tensor1D;
};

/**
 * A prompt's image tokens, which are never formed: `scale * (common + rows^T vectors) + offset`. What a prompt adds to the
 * image are sums of a few vectors (one for each head and token) with the attention's shares as weights, and a norm
 * rescales each pixel, so this form holds through all layers.
 */
export type PromptedImage = {
  /** `[n, 1, p]`; 1 when absent. */
  readonly scale?: tf.Tensor;
  /** `[n, m, p]` and `[n, m, C]`. */
  readonly rows?: tf.Tensor3D;
  readonly vectors?: tf.Tensor3D;
  readonly layers?: PromptedLayer[];
};

/** What one layer added. */
export type PromptedLayer = {
  /** `[n, heads * t, p]`, its shares over `scale`. */
  readonly rows: tf.Tensor3D;
  /** `[n, heads, t, d]`, the tokens' values, of which its vectors are products. */
  readonly values: tf.Tensor;
  /** The image's scale before it; 1 when absent. */
  readonly scale?: tf.Tensor;
};

/**
 * Computes what all prompts of an image have in common.
 *
 * @param embedding `[1, h, w, C]`, with the dense prompt embedding added
 * @param positions `[1, h, w, C]`
 * @returns tensors of the caller, see `disposeShared`
 */
export function sharedImage(
  embedding: tf.Tensor4D,
  positions: tf.Tensor4D,
  weights: Weights,
  config: MaskDecoderConfig,
): SharedImage {
  const [, height, width, c] = embedding.shape;
  const heads = config.numHeads;
  return tf.tidy(() => {
    const transformer = weights.scope('transformer');
    const places = positions.reshape([height * width, c]);
    let base: tf.Tensor = embedding.reshape([height * width, c]);
    let offset: tf.Tensor | undefined;
    const layers: SharedLayer[] = [];
    let outs: { readonly out: tf.Tensor; readonly added: tf.Tensor }[] = [];
    for (let i = 0; i < config.depth; i++) {
      const w = transformer.scope(`layers.${i}`);
      const toImage = look(base, places, offset, w.scope('cross_attn_token_to_image'), 'k', heads);
      const toTokens = look(base, places, offset, w.scope('cross_attn_image_to_token'), 'q', heads);
      const bias = w.get('cross_attn_image_to_token.out_proj.bias');
      const added = (offset === undefined ? bias.clone() : bias.add(offset)) as tf.Tensor1D;
      const centred = base.sub(base.mean(1, true));
      const squares = centred.square().mean(1).reshape([1, -1]) as tf.Tensor2D;
      const matrix = w.get('cross_attn_image_to_token.out_proj.weight');
      outs = [...outs, { out: matrix, added: added.expandDims(0) }];
      const twice = centred.mul(2 / c);
      const seenBy = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, twice as tf.Tensor2D, false, true);
      const seen = outs.map(({ out }) => seenBy(out).reshape([1, heads, -1, height * width]));
      const seenAdded = outs.map((o) => seenBy(o.added));
      layers.push({ toImage, toTokens, norm: { squares, seen, seenAdded, added } });
      const normed = (x: tf.Tensor) => x.sub(x.mean(1, true)).mul(w.get('norm4.weight'));
      outs = outs.map((o) => ({ out: normed(o.out), added: normed(o.added) }));
      base = centred.mul(w.get('norm4.weight'));
      offset = w.get('norm4.bias');
    }
    const last = look(base, places, offset, transformer.scope('final_attn_token_to_image'), 'k', heads);
    const { kernel, bias } = centredStep(weights.scope('output_upscaling'));
    const ofOffset =
      offset === undefined ? bias : bias.add(project(offset.reshape([1, c]), kernel).flatten());
    const upscaled = project(base.reshape([1, height * width, c]), kernel) as tf.Tensor3D;
    return { height, width, layers, last, upscaled, upscaledOffset: ofOffset as tf.Tensor1D };
  }) as SharedImage;
}

export function disposeShared(shared: SharedImage): void {
  for (const { toImage, toTokens, norm } of shared.layers)
    tf.dispose([...Object.values(toImage), ...Object.values(toTokens), ...Object.values(norm)]);
  tf.dispose([...Object.values(shared.last), shared.upscaled, shared.upscaledOffset]);
}

/** @param side which projection the image takes: `k` where tokens look at it (its values are looked at too), or `q` */
function look(
  base: tf.Tensor,
  positions: tf.Tensor,
  offset: tf.Tensor | undefined,
  weights: Weights,
  side: 'k' | 'q',
  heads: number,
): SharedLook {
  const matrix = weights.get(`${side}_proj.weight`);
  // The keys' bias is the same for all pixels, and cancels in the softmax over them.
  const bias = side === 'q' ? weights.get('q_proj.bias') : undefined;
  const keysOf = (x: tf.Tensor, b?: tf.Tensor) => columns(project(x, matrix, b), heads);
  const keys =
    offset === undefined
      ? { keys: keysOf(base.add(positions), bias) }
      : { keys: keysOf(base), places: keysOf(positions.add(offset), bias) };
  if (side === 'q') return keys;
  const [value, valueBias] = [weights.get('v_proj.weight'), weights.get('v_proj.bias')];
  const inner = value.shape[1] as number;
  const ofOffset =
    offset === undefined ? valueBias : project(offset.reshape([1, -1]), value, valueBias).flatten();
  return {
    ...keys,
    values: project(base, value)
      .reshape([1, -1, heads, inner / heads])
      .transpose([0, 2, 1, 3]),
    valueOffset: ofOffset.reshape([1, heads, 1, inner / heads]),
  };
}

/** `[p, heads * d] -> [1, heads, d, p]`. */
function columns(x: tf.Tensor, heads: number): tf.Tensor {
  const [pixels, inner] = x.shape as [number, number];
  return x.transpose().reshape([1, heads, inner / heads, pixels]);
}
