import { gelu, tf } from '../../tf/index.js';
import { linear, mlpHead, norm, project } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { CHANNEL_NORM_EPS } from './imageEncoder.js';
import { attention } from './twoWay.js';

const EPS = 1e-5;

/**
 * SAM's mask decoder for many prompts of one image, in a form in which the image's tokens are never projected: the
 * projections of both attentions are moved to the few tokens' side, and the first layer's image is shared by all
 * prompts. Single-mask output only; equal to `maskDecoder` up to rounding. Not for training.
 *
 * @param embedding `[1, h, w, C]`, with the dense prompt embedding added
 * @param positions `[1, h, w, C]`
 * @param sparse `[n, t, C]`
 * @returns masks `[n, 4h, 4w, 1]`, iou `[n, 1]`; the caller's
 */
export function maskDecoderTokenSide(
  embedding: tf.Tensor4D,
  positions: tf.Tensor4D,
  sparse: tf.Tensor3D,
  weights: Weights,
  config: MaskDecoderConfig,
): { readonly masks: tf.Tensor4D; readonly iou: tf.Tensor2D } {
  return tf.tidy(() => {
    const [, h, w, c] = embedding.shape;
    const n = sparse.shape[0];
    const own = tf.concat([weights.get('iou_token.weight'), weights.get('mask_tokens.weight')], 0);
    const first = tf.concat([own.expandDims(0).tile([n, 1, 1]), sparse], 1);
    const places = positions.reshape([h * w, c]);
    const [tokens, image] = layers(first, embedding.reshape([1, h * w, c]), places, weights, config);
    const token = (i: number) => tokens.slice([0, i, 0], [-1, 1, -1]).reshape([n, c]);
    const kernel = mlpHead(token(1), weights, 'output_hypernetworks_mlps.0', 3);
    const masks = upscaled(image, kernel, h, w, weights.scope('output_upscaling'));
    const iou = mlpHead(token(0), weights, 'iou_prediction_head', config.iouHeadDepth);
    return { masks, iou: iou.slice([0, 0], [-1, 1]) as tf.Tensor2D };
  });
}

/** The two-way transformer: `[n, t, C]` tokens and `[n, h * w, C]` image. */
function layers(
  first: tf.Tensor,
  embedding: tf.Tensor,
  places: tf.Tensor,
  weights: Weights,
  config: MaskDecoderConfig,
): [tf.Tensor, tf.Tensor] {
  const heads = config.numHeads;
  const transformer = weights.scope('transformer');
  let q = first;
  let k = embedding;
  for (let i = 0; i < config.depth; i++) {
    const w = transformer.scope(`layers.${i}`);
    const self = (x: tf.Tensor) => attention(x, x, q, w.scope('self_attn'), heads);
    q = norm(i === 0 ? self(q) : q.add(self(q.add(first))), w, 'norm1', EPS);
    const toImage = w.scope('cross_attn_token_to_image');
    q = norm(q.add(tokensLook(q.add(first), k, places, toImage, heads)), w, 'norm2', EPS);
    q = norm(q.add(linear(linear(q, w, 'mlp.lin1').relu(), w, 'mlp.lin2')), w, 'norm3', EPS);
    const toTokens = w.scope('cross_attn_image_to_token');
    const next = norm(k.add(imageLooks(k, places, q.add(first), q, toTokens, heads)), w, 'norm4', EPS);
    if (i > 0) k.dispose();
    k = next;
  }
  const last = tokensLook(q.add(first), k, places, transformer.scope('final_attn_token_to_image'), heads);
  return [norm(q.add(last), transformer, 'norm_final_attn', EPS), k];
}

/** Weight and bias of a projection, cut into heads: `[heads, C, d]` and `[heads, 1, d]`. */
function perHead(weights: Weights, name: string, heads: number): [tf.Tensor3D, tf.Tensor3D] {
  const weight = weights.get(`${name}.weight`); // [C, heads * d]
  const [inputs, inner] = weight.shape as [number, number];
  const d = inner / heads;
  const cut = weight.reshape([inputs, heads, d]).transpose([1, 0, 2]) as tf.Tensor3D;
  return [cut, weights.get(`${name}.bias`).reshape([heads, 1, d]) as tf.Tensor3D];
}

/** `[n, t, C] -> [heads, n * t, d]`, projected. */
function projectHeads(x: tf.Tensor, weights: Weights, name: string, heads: number): tf.Tensor3D {
  const y = linear(x, weights, name);
  const [n, t, inner] = y.shape as [number, number, number];
  return y.reshape([n * t, heads, inner / heads]).transpose([1, 0, 2]) as tf.Tensor3D;
}

/** `[heads, n * t, C]` vectors as `[n, heads * t, C]`. */
function byPrompt(x: tf.Tensor, heads: number, n: number, t: number): tf.Tensor3D {
  const c = x.shape[2] as number;
  return x
    .reshape([heads, n, t, c])
    .transpose([1, 0, 2, 3])
    .reshape([n, heads * t, c]) as tf.Tensor3D;
}

/** Vectors `[n, m, C]` times image tokens `[n or 1, p, C]`: `[n, m, p]`. */
function against(vectors: tf.Tensor3D, image: tf.Tensor): tf.Tensor3D {
  const [n, m, c] = vectors.shape;
  if (image.shape[0] === n) return tf.matMul(vectors, image as tf.Tensor3D, false, true);
  const p = image.shape[1] as number;
  const flat = tf.matMul(vectors.reshape([n * m, c]), image.reshape([p, c]), false, true);
  return flat.reshape([n, m, p]) as tf.Tensor3D;
}

/** Vectors times the image tokens with their positions; added before where one image serves all prompts. */
function placed(vectors: tf.Tensor3D, image: tf.Tensor, places: tf.Tensor): tf.Tensor {
  if (image.shape[0] !== vectors.shape[0]) return against(vectors, image.add(places));
  return against(vectors, image).add(against(vectors, places.expandDims(0)));
}

/** Tokens attend to the image; the key's bias cancels in the softmax. */
function tokensLook(
  query: tf.Tensor,
  image: tf.Tensor,
  places: tf.Tensor,
  weights: Weights,
  heads: number,
): tf.Tensor {
  return tf.tidy(() => {
    const [n, t, c] = query.shape as [number, number, number];
    const q = projectHeads(query, weights, 'q_proj', heads); // [heads, nt, d]
    const [keys] = perHead(weights, 'k_proj', heads);
    const [values, valueBias] = perHead(weights, 'v_proj', heads);
    const d = q.shape[2];
    const vectors = byPrompt(tf.matMul(q.mul(d ** -0.5) as tf.Tensor3D, keys, false, true), heads, n, t);
    const scores = placed(vectors, image, places);
    const shares = scores.softmax() as tf.Tensor3D; // [n, heads * t, p]
    const p = shares.shape[2];
    const seen =
      image.shape[0] === n
        ? tf.matMul(shares, image as tf.Tensor3D)
        : tf.matMul(shares.reshape([n * heads * t, p]), image.reshape([p, c]));
    const perHeadSeen = seen
      .reshape([n, heads, t, c])
      .transpose([1, 0, 2, 3])
      .reshape([heads, n * t, c]);
    const mixed = tf.matMul(perHeadSeen as tf.Tensor3D, values).add(valueBias); // [heads, nt, d]
    return linear(mixed.transpose([1, 0, 2]).reshape([n, t, heads * d]), weights, 'out_proj');
  });
}

/** The image attends to the tokens: `[n, p, C]`, the output bias included. */
function imageLooks(
  image: tf.Tensor,
  places: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  weights: Weights,
  heads: number,
): tf.Tensor {
  return tf.tidy(() => {
    const [n, t, c] = key.shape as [number, number, number];
    const k = projectHeads(key, weights, 'k_proj', heads);
    const v = projectHeads(value, weights, 'v_proj', heads);
    const [queries, queryBias] = perHead(weights, 'q_proj', heads);
    const d = k.shape[2];
    const scaled = k.mul(d ** -0.5) as tf.Tensor3D;
    const vectors = byPrompt(tf.matMul(scaled, queries, false, true), heads, n, t); // [n, heads * t, C]
    const constant = scaled.mul(queryBias).sum(-1).reshape([heads, n, t]).transpose([1, 0, 2]); // [n, heads, t]
    const out = weights.get('out_proj.weight').reshape([heads, d, c]) as tf.Tensor3D;
    const results = byPrompt(tf.matMul(v, out), heads, n, t); // [n, heads * t, C]
    const p = image.shape[1] as number;
    const scores = placed(vectors, image, places);
    const shifted = scores.reshape([n, heads, t, p]).add(constant.expandDims(-1));
    const shares = columnSoftmax(shifted).reshape([n, heads * t, p]) as tf.Tensor3D;
    return tf.matMul(shares, results, true, false).add(weights.get('out_proj.bias'));
  });
}

/** Softmax over the tokens, axis 2 of `[n, heads, t, p]`. */
function columnSoftmax(scores: tf.Tensor): tf.Tensor {
  const powers = scores.sub(scores.max(2, true)).exp();
  return powers.div(powers.sum(2, true));
}

/** Both transposed convolutions, the product with the mask's kernel, and one rearrangement at the very end. */
function upscaled(image: tf.Tensor, kernel: tf.Tensor, h: number, w: number, weights: Weights): tf.Tensor4D {
  const n = image.shape[0] as number;
  const step = (x: tf.Tensor, name: string) => {
    const filter = weights.get(`${name}.weight`); // [2, 2, out, in]
    const [, , outputs, inputs] = filter.shape as [number, number, number, number];
    const bias = weights.get(`${name}.bias`).tile([4]);
    return project(x, filter.transpose([3, 0, 1, 2]).reshape([inputs, 4 * outputs]), bias);
  };
  const half = step(image, '0'); // [n, p, 4 * C / 4]
  const quarter = (half.shape[2] as number) / 4;
  const first = gelu(norm(half.reshape([n, -1, quarter]), weights, '1', CHANNEL_NORM_EPS)); // [n, 4 p, C / 4]
  const second = gelu(step(first, '3')); // [n, 4 p, 4 * C / 8]
  const channels = (second.shape[2] as number) / 4;
  const values = tf.matMul(second.reshape([n, -1, channels]), kernel.reshape([n, channels, 1]));
  // [n * h, w, a, b, c, d] -> rows h, a, c and columns w, b, d
  return values
    .reshape([n * h, w, 2, 2, 2, 2])
    .transpose([0, 2, 4, 1, 3, 5])
    .reshape([n, 4 * h, 4 * w, 1]) as tf.Tensor4D;
}
