import { tf } from '../../tf/index.js';
import { linear, mlpHead, norm, project } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import type { PromptedImage, SharedImage, SharedLook, SharedNorm } from './sharedImage.js';
import { attention } from './twoWay.js';
import { upscaledMasks } from './upscalingForMany.js';

const EPS = 1e-5;

/**
 * SAM's mask decoder for many prompts of one image: everything that the prompts have in common was computed before, and
 * what each adds is kept as sums of a few vectors, so that the image's tokens are neither projected nor normalised for
 * any prompt. Single-mask output only; equal to `maskDecoder` up to rounding. Not for training.
 *
 * @param sparse `[n, t, C]`
 * @returns masks `[n, 4h, 4w, 1]`, iou `[n, 1]`; the caller's
 */
export function maskDecoderForMany(
  shared: SharedImage,
  sparse: tf.Tensor3D,
  weights: Weights,
  config: MaskDecoderConfig,
): { readonly masks: tf.Tensor4D; readonly iou: tf.Tensor2D } {
  return tf.tidy(() => {
    const [n, , c] = sparse.shape;
    const own = tf.concat([weights.get('iou_token.weight'), weights.get('mask_tokens.weight')], 0);
    const first = tf.concat([own.expandDims(0).tile([n, 1, 1]), sparse], 1);
    const [tokens, image] = layers(first, shared, weights.scope('transformer'), config);
    const token = (i: number) => tokens.slice([0, i, 0], [-1, 1, -1]).reshape([n, c]);
    const kernel = mlpHead(token(1), weights, 'output_hypernetworks_mlps.0', 3);
    const masks = upscaledMasks(shared, image, kernel, weights.scope('output_upscaling'));
    const iou = mlpHead(token(0), weights, 'iou_prediction_head', config.iouHeadDepth);
    return { masks, iou: iou.slice([0, 0], [-1, 1]) as tf.Tensor2D };
  });
}

/** The two-way transformer: `[n, t, C]` tokens, and the image. */
function layers(
  first: tf.Tensor,
  shared: SharedImage,
  transformer: Weights,
  config: MaskDecoderConfig,
): [tf.Tensor, PromptedImage] {
  const heads = config.numHeads;
  let q = first;
  let image: PromptedImage = {};
  for (const [i, layer] of shared.layers.entries()) {
    const w = transformer.scope(`layers.${i}`);
    const self = (x: tf.Tensor) => attention(x, x, q, w.scope('self_attn'), heads);
    q = norm(i === 0 ? self(q) : q.add(self(q.add(first))), w, 'norm1', EPS);
    const toImage = w.scope('cross_attn_token_to_image');
    q = norm(q.add(tokensLook(q.add(first), layer.toImage, image, toImage, heads)), w, 'norm2', EPS);
    q = norm(q.add(linear(linear(q, w, 'mlp.lin1').relu(), w, 'mlp.lin2')), w, 'norm3', EPS);
    const toTokens = w.scope('cross_attn_image_to_token');
    const shares = imageLooks(q.add(first), layer.toTokens, image, toTokens, heads);
    const vectors = addedVectors(q, layer.norm, toTokens, heads);
    image = normalised(image, shares, vectors, layer.norm, w.get('norm4.weight'));
  }
  const toImage = transformer.scope('final_attn_token_to_image');
  const last = tokensLook(q.add(first), shared.last, image, toImage, heads);
  return [norm(q.add(last), transformer, 'norm_final_attn', EPS), image];
}

/** `[n, t, heads * d] -> [n, heads, t, d]`. */
function split(x: tf.Tensor, heads: number): tf.Tensor {
  const [n, t, inner] = x.shape as [number, number, number];
  return x.reshape([n, t, heads, inner / heads]).transpose([0, 2, 1, 3]);
}

/** Products of every token with every pixel: `[n, heads, t, p]`. @param side which projection the image takes */
function scoresOf(
  tokens: tf.Tensor,
  look: SharedLook,
  { scale, rows, vectors }: PromptedImage,
  weights: Weights,
  side: 'k' | 'q',
  heads: number,
): tf.Tensor {
  return tf.tidy(() => {
    const own = linear(tokens, weights, side === 'k' ? 'q_proj' : 'k_proj');
    const [n, t, inner] = own.shape as [number, number, number];
    const q = split(own.mul((inner / heads) ** -0.5), heads); // [n, heads, t, d]
    let scores = tf.matMul(q, look.keys); // [n, heads, t, p]
    const p = scores.shape[3] as number;
    if (scale !== undefined) scores = scores.mul(scale.reshape([n, 1, 1, p]));
    if (look.places !== undefined) scores = scores.add(tf.matMul(q, look.places));
    if (rows === undefined || vectors === undefined) return scores;
    const projected = split(project(vectors, weights.get(`${side}_proj.weight`)), heads); // [n, heads, m, d]
    const shares = tf.matMul(q, projected, false, true).reshape([n, heads * t, -1]) as tf.Tensor3D;
    return scores.add(tf.matMul(shares, rows).reshape([n, heads, t, p]));
  });
}

/** Tokens attend to the image: `[n, t, C]`. */
function tokensLook(
  tokens: tf.Tensor,
  look: SharedLook,
  image: PromptedImage,
  weights: Weights,
  heads: number,
): tf.Tensor {
  return tf.tidy(() => {
    const { scale, rows, vectors } = image;
    const shares = scoresOf(tokens, look, image, weights, 'k', heads).softmax();
    const [n, , t, p] = shares.shape as [number, number, number, number];
    const scaled = scale === undefined ? shares : shares.mul(scale.reshape([n, 1, 1, p]));
    let seen = tf.matMul(scaled, look.values as tf.Tensor).add(look.valueOffset as tf.Tensor); // [n, heads, t, d]
    if (rows !== undefined && vectors !== undefined) {
      const projected = split(project(vectors, weights.get('v_proj.weight')), heads); // [n, heads, m, d]
      const ofRows = tf.matMul(shares.reshape([n, heads * t, p]) as tf.Tensor3D, rows, false, true); // [n, heads t, m]
      seen = seen.add(tf.matMul(ofRows.reshape([n, heads, t, -1]), projected));
    }
    return linear(seen.transpose([0, 2, 1, 3]).reshape([n, t, -1]), weights, 'out_proj');
  });
}

/** The image attends to the tokens: each pixel's shares, `[n, heads * t, p]`. */
function imageLooks(
  tokens: tf.Tensor,
  look: SharedLook,
  image: PromptedImage,
  weights: Weights,
  heads: number,
): tf.Tensor3D {
  return tf.tidy(() => {
    const scores = scoresOf(tokens, look, image, weights, 'q', heads);
    const powers = scores.sub(scores.max(2, true)).exp();
    const [n, , t, p] = powers.shape as [number, number, number, number];
    return powers.div(powers.sum(2, true)).reshape([n, heads * t, p]) as tf.Tensor3D;
  });
}

/**
 * What the shares are weights of: each token's value of each head, projected back, `[n, heads * t, C]`. Shares of a head
 * sum to 1, so what every pixel gets besides is added to the vectors of the first head.
 */
function addedVectors(
  tokens: tf.Tensor,
  { added }: SharedNorm,
  weights: Weights,
  heads: number,
): tf.Tensor3D {
  return tf.tidy(() => {
    const values = split(linear(tokens, weights, 'v_proj'), heads); // [n, heads, t, d]
    const [n, , t, d] = values.shape as [number, number, number, number];
    const out = weights.get('out_proj.weight').reshape([1, heads, d, -1]);
    const isFirst = tf.oneHot([0], heads).toFloat().reshape([1, heads, 1, 1]);
    return tf
      .matMul(values, out)
      .add(isFirst.mul(added))
      .reshape([n, heads * t, -1]) as tf.Tensor3D;
  });
}

/** The image with another sum of vectors, after the layer norm. */
function normalised(
  image: PromptedImage,
  shares: tf.Tensor3D,
  added: tf.Tensor3D,
  { centred, squares }: SharedNorm,
  weight: tf.Tensor,
): PromptedImage {
  return tf.tidy(() => {
    const rows = image.rows === undefined ? shares : tf.concat([image.rows, shares], 1);
    const all = image.vectors === undefined ? added : tf.concat([image.vectors, added], 1);
    const vectors = all.sub(all.mean(2, true)) as tf.Tensor3D;
    const [n, m, c] = vectors.shape;
    const p = rows.shape[2];
    // mean square of `scale * common + rows^T vectors`: both are free of a mean over the channels
    const mixed = tf.matMul(vectors.mul(2 / c).reshape([n * m, c]), centred).reshape([n, m, p]);
    const scaled = image.scale === undefined ? mixed : mixed.mul(image.scale);
    const among = tf.matMul(tf.matMul(vectors.div(c), vectors, false, true), rows);
    const common = image.scale === undefined ? squares : image.scale.square().mul(squares);
    const variance = scaled.add(among).mul(rows).sum(1, true).add(common); // [n, 1, p]
    const factor = variance.relu().add(EPS).rsqrt();
    return {
      scale: image.scale === undefined ? factor : image.scale.mul(factor),
      rows: rows.mul(factor),
      vectors: vectors.mul(weight),
    };
  }) as PromptedImage;
}
