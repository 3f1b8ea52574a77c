import { into, tf } from '../../tf/index.js';
import { linear, mlpHead, norm, project } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import type { PromptedImage, PromptedLayer, SharedImage, SharedLook, SharedNorm } from './sharedImage.js';
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
    const rows = imageLooks(q.add(first), layer.toTokens, image, toTokens, heads);
    const values = split(linear(q, toTokens, 'v_proj'), heads);
    const vectors = addedVectors(values, layer.norm, toTokens);
    image = normalised(image, { rows, values }, vectors, layer.norm, w.get('norm4.weight'));
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

/**
 * `[n, heads, t, d]` times `[1, heads, d, p]`: `[n, heads, t, p]`. Heads go first meanwhile: products of t rows each, seven
 * of them, run at a third of the speed of those of n * t rows.
 */
function forAll(tokens: tf.Tensor, common: tf.Tensor): tf.Tensor {
  const [n, heads, t, d] = tokens.shape as [number, number, number, number];
  const p = common.shape[3] as number;
  const rows = tokens.transpose([1, 0, 2, 3]).reshape([heads, n * t, d]);
  return into(tf.matMul(rows, common.reshape([heads, d, p])), (y) =>
    y.reshape([heads, n, t, p]).transpose([1, 0, 2, 3]),
  );
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
    let scores = forAll(q, look.keys);
    const p = scores.shape[3] as number;
    if (rows !== undefined && vectors !== undefined) {
      const projected = split(project(vectors, weights.get(`${side}_proj.weight`)), heads); // [n, heads, m, d]
      const shares = tf.matMul(q, projected, false, true).reshape([n, heads * t, -1]) as tf.Tensor3D;
      const ofRows = tf.matMul(shares, rows).reshape([n, heads, t, p]);
      scores = into(scores, (x) => into(ofRows, (y) => x.add(y)));
    }
    if (scale !== undefined) scores = into(scores, (x) => x.mul(scale.reshape([n, 1, 1, p])));
    const { places } = look;
    return places === undefined ? scores : into(scores, (x) => into(forAll(q, places), (y) => x.add(y)));
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
      const ofRows = tf.matMul(scaled.reshape([n, heads * t, p]) as tf.Tensor3D, rows, false, true); // [n, heads t, m]
      seen = seen.add(tf.matMul(ofRows.reshape([n, heads, t, -1]), projected));
    }
    return linear(seen.transpose([0, 2, 1, 3]).reshape([n, t, -1]), weights, 'out_proj');
  });
}

/** The image attends to the tokens: each pixel's shares over the image's scale, `[n, heads * t, p]`. */
function imageLooks(
  tokens: tf.Tensor,
  look: SharedLook,
  image: PromptedImage,
  weights: Weights,
  heads: number,
): tf.Tensor3D {
  return tf.tidy(() => {
    const scores = scoresOf(tokens, look, image, weights, 'q', heads);
    const powers = into(
      scores,
      (x) => into(x.max(2, true), (most) => x.sub(most)),
      (x) => x.exp(),
    );
    const [n, , t, p] = powers.shape as [number, number, number, number];
    const sum = powers.sum(2, true);
    const { scale } = image;
    const whole = scale === undefined ? sum : sum.mul(scale.reshape([n, 1, 1, p]));
    return powers.div(whole).reshape([n, heads * t, p]) as tf.Tensor3D;
  });
}

/**
 * What the shares are weights of: each token's value of each head, projected back, `[n, heads * t, C]`. Shares of a head
 * sum to 1, so what every pixel gets besides is added to the vectors of the first head.
 */
function addedVectors(values: tf.Tensor, { added }: SharedNorm, weights: Weights): tf.Tensor3D {
  return tf.tidy(() => {
    const [n, heads, t, d] = values.shape as [number, number, number, number];
    const out = weights.get('out_proj.weight').reshape([1, heads, d, -1]);
    const isFirst = tf.oneHot([0], heads).toFloat().reshape([1, heads, 1, 1]);
    return tf
      .matMul(values, out)
      .add(isFirst.mul(added))
      .reshape([n, heads * t, -1]) as tf.Tensor3D;
  });
}

/** The image with another layer's vectors, after the layer norm. */
function normalised(
  image: PromptedImage,
  layer: PromptedLayer,
  added: tf.Tensor3D,
  shared: SharedNorm,
  weight: tf.Tensor,
): PromptedImage {
  return tf.tidy(() => {
    const layers = [...(image.layers ?? []), { ...layer, ...(image.scale && { scale: image.scale }) }];
    const rows =
      layers.length === 1
        ? layer.rows
        : (tf.concat(
            layers.map((l) => l.rows),
            1,
          ) as tf.Tensor3D);
    const all = image.vectors === undefined ? added : tf.concat([image.vectors, added], 1);
    const vectors = all.sub(all.mean(2, true)) as tf.Tensor3D;
    const square = meanSquare(layers, rows, vectors, shared);
    const variance = image.scale === undefined ? square : square.mul(image.scale.square());
    const factor = variance.relu().add(EPS).rsqrt();
    return {
      scale: image.scale === undefined ? factor : image.scale.mul(factor),
      rows,
      vectors: vectors.mul(weight),
      layers,
    };
  }) as PromptedImage;
}

/**
 * Mean square over channels of `common + rows^T vectors`, whose parts are free of a mean over them: `[n, 1, p]`. Vectors of
 * a layer are products of its values, so that what they have in common with the common part is one of its values.
 */
function meanSquare(
  layers: readonly PromptedLayer[],
  rows: tf.Tensor3D,
  vectors: tf.Tensor3D,
  { squares, seen, seenAdded }: SharedNorm,
): tf.Tensor {
  const [n, m, c] = vectors.shape;
  const each = m / layers.length;
  const among = tf.matMul(vectors.div(c), vectors, false, true); // [n, m, m]
  let sum: tf.Tensor = squares;
  for (const [j, { rows: own, values, scale }] of layers.entries()) {
    const ofAdded = seenAdded[j] as tf.Tensor;
    sum = sum.add(scale === undefined ? ofAdded : ofAdded.div(scale));
    const mixed = forAll(values, seen[j] as tf.Tensor).reshape([n, each, -1]);
    const withOthers = tf.matMul(among.slice([0, j * each, 0], [-1, each, -1]), rows);
    const both = into(
      mixed,
      (x) => into(withOthers, (y) => x.add(y)),
      (x) => x.mul(own),
    );
    sum = sum.add(into(both, (x) => x.sum(1, true)));
  }
  return sum;
}
