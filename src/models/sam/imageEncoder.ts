import { gelu, noTape, tf } from '../../tf/index.js';
import { isLean, layerPart } from '../gradientPlan.js';
import { leanBlock } from '../lean/block.js';
import { linear, norm } from '../linear.js';
import type { VitConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { addScoped, convSpecs, linearSpecs, normSpecs, type WeightSpecs, ZERO } from '../specs.js';
import { gridAttention } from './attention.js';
import { convStem, convStemSpecs } from './stem.js';

/** Channel norms of the neck, the prompt encoder and the mask decoder (Kirillov et al. 2023). */
export const CHANNEL_NORM_EPS = 1e-6;

/** What the ViT gives: tokens before the neck, and a finer map where there is a convolutional stem. */
export interface Tokens {
  /** `[B, h, w, D]`. */
  readonly tokens: tf.Tensor4D;
  /** `[B, 2h, 2w, 64]`. */
  readonly stride4?: tf.Tensor4D;
}

/**
 * The ViT of SAM (Kirillov et al. 2023) without its neck: patch embedding, absolute positions, pre-norm blocks with
 * windowed or global attention. Positions are resampled when the image's size is not the weights' own.
 *
 * @param images `[B, H, W, 3]`, normalised; H and W multiples of the patch size
 * @param observe is shown the patch embedding (index -1) and every block's output; tests compare them
 */
export function vitTokens(
  images: tf.Tensor4D,
  weights: Weights,
  config: VitConfig,
  observe?: (index: number, x: tf.Tensor4D) => void,
): Tokens {
  const { tokens: embedded, ...finer } = withoutTapeIfFrozen(weights, () =>
    embed(images, weights, config, observe),
  );
  let x = embedded;
  for (let i = 0; i < config.depth; i++) {
    const input = x;
    x = block(
      input,
      weights.scope(`blocks.${i}`),
      config,
      config.globalAttnIndexes.includes(i) ? 0 : config.windowSize,
    );
    observe?.(i, x);
    input.dispose();
  }
  return { tokens: x, ...finer };
}

/** Patches or stem, and absolute positions. */
function embed(
  images: tf.Tensor4D,
  weights: Weights,
  config: VitConfig,
  observe?: (index: number, x: tf.Tensor4D) => void,
): Tokens {
  const stem = config.stem === 'conv' ? convStem(images, weights.scope('stem')) : undefined;
  const plain = stem?.tokens ?? patchEmbed(images, weights.scope('patch_embed'), config.patchSize);
  observe?.(-1, plain);
  const finer = stem === undefined ? {} : { stride4: stem.stride4 };
  if (!config.useAbsPos) return { tokens: plain, ...finer };
  const tokens = tf.tidy(() =>
    plain.add(resamplePositions(weights.get('pos_embed') as tf.Tensor4D, plain.shape[1], plain.shape[2])),
  ) as tf.Tensor4D;
  plain.dispose();
  return { tokens, ...finer };
}

/** What the ViT gives as a list, and back. */
export const listedTokens = ({ tokens, stride4 }: Tokens): tf.Tensor[] =>
  stride4 === undefined ? [tokens] : [tokens, stride4];
export const tokensFrom = ([tokens, stride4]: tf.Tensor[]): Tokens => ({
  tokens: tokens as tf.Tensor4D,
  ...(stride4 === undefined ? {} : { stride4: stride4 as tf.Tensor4D }),
});

/** Runs the embedding outside of the tape, and notes it as constant, when no weight below the blocks is trained. */
function withoutTapeIfFrozen(weights: Weights, f: () => Tokens): Tokens {
  const plan = weights.plan?.();
  if (plan === undefined || [...plan.names].some((name) => !/^(blocks|neck)\./.test(name))) return f();
  const made = tokensFrom(noTape(() => listedTokens(f())));
  for (const y of listedTokens(made)) plan.constants.add(y);
  return made;
}

/** Reduces tokens to the image embedding: 1x1 and 3x3 convolution, each followed by a channel norm: `[B, h, w, C]`. */
export function neck(tokens: tf.Tensor4D, weights: Weights): tf.Tensor4D {
  return layerPart('neck', [tokens], weights, ([x], own) => plainNeck(x as tf.Tensor4D, own));
}

function plainNeck(tokens: tf.Tensor4D, weights: Weights): tf.Tensor4D {
  return tf.tidy(() => {
    const narrow = norm(linear(tokens, weights, '0'), weights, '1', CHANNEL_NORM_EPS) as tf.Tensor4D;
    const mixed = tf.conv2d(narrow, weights.get('2.weight') as tf.Tensor4D, 1, 'same');
    return norm(mixed, weights, '3', CHANNEL_NORM_EPS) as tf.Tensor4D;
  });
}

function patchEmbed(images: tf.Tensor4D, weights: Weights, patch: number): tf.Tensor4D {
  return tf.tidy(() =>
    tf
      .conv2d(images, weights.get('proj.weight') as tf.Tensor4D, patch, 'valid')
      .add(weights.get('proj.bias')),
  );
}

/** `x + attention(norm(x))`, then `x + mlp(norm(x))`; window 0 means global attention. */
export function block(x: tf.Tensor4D, weights: Weights, config: VitConfig, window: number): tf.Tensor4D {
  if (isLean(weights)) return leanBlock(x, weights, config, window);
  return plainBlock(x, weights, config, window);
}

/** The same in operations that TensorFlow.js differentiates, traces and runs on every backend. */
export function plainBlock(x: tf.Tensor4D, weights: Weights, config: VitConfig, window: number): tf.Tensor4D {
  return tf.tidy(() => {
    const normed = norm(x, weights, 'norm1', config.layerNormEps) as tf.Tensor4D;
    const attend = (y: tf.Tensor4D) => gridAttention(y, weights.scope('attn'), config.numHeads);
    const attended = x.add(window > 0 ? inWindows(normed, window, attend) : attend(normed));
    const hidden = gelu(linear(norm(attended, weights, 'norm2', config.layerNormEps), weights, 'mlp.lin1'));
    return attended.add(linear(hidden, weights, 'mlp.lin2')) as tf.Tensor4D;
  });
}

/** Applies `f` to every window; padding at the bottom and right is zero, comes after the norm, and takes part unmasked. */
function inWindows(x: tf.Tensor4D, window: number, f: (windows: tf.Tensor4D) => tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, dim] = x.shape;
  const rows = Math.ceil(height / window);
  const columns = Math.ceil(width / window);
  const isPadded = rows * window !== height || columns * window !== width;
  const padded = isPadded
    ? x.pad([
        [0, 0],
        [0, rows * window - height],
        [0, columns * window - width],
        [0, 0],
      ])
    : x;
  const cut = padded.reshape([batch, rows, window, columns, window, dim]).transpose([0, 1, 3, 2, 4, 5]);
  const mixed = f(cut.reshape([batch * rows * columns, window, window, dim]));
  const whole = mixed.reshape([batch, rows, columns, window, window, dim]).transpose([0, 1, 3, 2, 4, 5]);
  const joined = whole.reshape([batch, rows * window, columns * window, dim]) as tf.Tensor4D;
  return isPadded ? joined.slice([0, 0, 0, 0], [batch, height, width, dim]) : joined;
}

/** Absolute positions `[1, h, w, D]` of another grid: bilinear, half-pixel centres, as two matrix products. */
export function resamplePositions(table: tf.Tensor4D, height: number, width: number): tf.Tensor4D {
  const [, rows, columns, dim] = table.shape;
  if (rows === height && columns === width) return table;
  return tf.tidy(() => {
    const vertical = tf.matMul(
      bilinearMatrix(rows, height),
      table.reshape([rows, columns * dim]) as tf.Tensor2D,
    );
    const turned = vertical
      .reshape([height, columns, dim])
      .transpose([1, 0, 2])
      .reshape([columns, height * dim]) as tf.Tensor2D;
    const both = tf.matMul(bilinearMatrix(columns, width), turned).reshape([width, height, dim]);
    return both.transpose([1, 0, 2]).reshape([1, height, width, dim]);
  });
}

/** `[to, from]`: each row holds the two weights of one resampled position. */
function bilinearMatrix(from: number, to: number): tf.Tensor2D {
  const data = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const position = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(position));
    const high = Math.min(from - 1, low + 1);
    data[i * from + low] = (data[i * from + low] ?? 0) + 1 - (position - low);
    data[i * from + high] = (data[i * from + high] ?? 0) + (position - low);
  }
  return tf.tensor2d(data, [to, from]);
}

/** Published names and shapes of the ViT, with the neck unless the detector owns it. */
export function imageEncoderSpecs(config: VitConfig, withNeck: boolean): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const { embedDim: dim, patchSize, imgSize, outChans } = config;
  const grid = imgSize / patchSize;
  if (config.useAbsPos) specs.set('pos_embed', { shape: [1, grid, grid, dim], init: ZERO });
  if (config.stem === 'conv') addScoped(specs, 'stem', convStemSpecs(dim));
  else convSpecs(specs, 'patch_embed.proj', 3, dim, patchSize);
  for (let i = 0; i < config.depth; i++) addScoped(specs, `blocks.${i}`, blockSpecs(config, grid, i));
  if (withNeck) {
    convSpecs(specs, 'neck.0', dim, outChans, 1, false);
    normSpecs(specs, 'neck.1', outChans);
    convSpecs(specs, 'neck.2', outChans, outChans, 3, false);
    normSpecs(specs, 'neck.3', outChans);
  }
  return specs;
}

function blockSpecs(config: VitConfig, grid: number, index: number): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const dim = config.embedDim;
  const hidden = Math.floor(dim * config.mlpRatio);
  const side = config.globalAttnIndexes.includes(index) || config.windowSize === 0 ? grid : config.windowSize;
  normSpecs(specs, 'norm1', dim);
  if (config.useRelPos) {
    for (const axis of ['h', 'w'])
      specs.set(`attn.rel_pos_${axis}`, { shape: [2 * side - 1, dim / config.numHeads], init: ZERO });
  }
  linearSpecs(specs, 'attn.qkv', dim, 3 * dim, config.qkvBias);
  linearSpecs(specs, 'attn.proj', dim, dim);
  normSpecs(specs, 'norm2', dim);
  linearSpecs(specs, 'mlp.lin1', dim, hidden);
  linearSpecs(specs, 'mlp.lin2', hidden, dim);
  return specs;
}
