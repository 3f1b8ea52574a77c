import { gelu, tf } from '../../tf/index.js';
import { groupNorm, project } from '../linear.js';
import type { Weights } from '../parameters.js';
import { convSpecs, normSpecs, type WeightSpecs } from '../specs.js';

const WIDTHS = [32, 64, 128] as const;
const GROUPS = 8;

/** What a convolutional stem gives: tokens of 8 pixels and the maps on the way to them. */
export type StemMaps = {
  /** `[B, H/8, W/8, D]`. */
  readonly tokens: tf.Tensor4D;
  /** `[B, H/4, W/4, 64]`, read by the dense detector. */
  readonly stride4: tf.Tensor4D;
};

/**
 * Three 3x3 convolutions of stride 2 with group norm and GELU, then a projection to the token width. In place of one
 * large patch convolution it makes a small ViT learn several times faster from few images (Xiao et al. 2021).
 *
 * @param images `[B, H, W, 3]`
 */
export function convStem(images: tf.Tensor4D, weights: Weights): StemMaps {
  return tf.tidy(() => {
    const maps: tf.Tensor4D[] = [images];
    for (let i = 0; i < WIDTHS.length; i++) {
      const conv = tf.conv2d(
        maps[i] as tf.Tensor4D,
        weights.get(`${i}.conv.weight`) as tf.Tensor4D,
        2,
        'same',
      );
      maps.push(gelu(groupNorm(conv, weights, `${i}.norm`, GROUPS)) as tf.Tensor4D);
    }
    const last = maps[3] as tf.Tensor4D;
    const tokens = project(last, weights.get('proj.weight'), weights.get('proj.bias')) as tf.Tensor4D;
    return { tokens, stride4: maps[2] as tf.Tensor4D };
  });
}

/** Names and shapes of the stem; the published checkpoints have none. */
export function convStemSpecs(embedDim: number): WeightSpecs {
  const specs: WeightSpecs = new Map();
  let inputs = 3;
  for (const [i, width] of WIDTHS.entries()) {
    convSpecs(specs, `${i}.conv`, inputs, width, 3, false);
    normSpecs(specs, `${i}.norm`, width);
    inputs = width;
  }
  convSpecs(specs, 'proj', inputs, embedDim, 1);
  return specs;
}

/** Channels of the map that the dense detector joins with the tokens. */
export const STRIDE4_CHANNELS = WIDTHS[1];
