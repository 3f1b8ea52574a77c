import { gelu, tf } from '../../tf/index.js';
import { mlpHead, norm, project } from '../linear.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { addScoped, linearSpecs, normSpecs, type WeightSpecs } from '../specs.js';
import { CHANNEL_NORM_EPS } from './imageEncoder.js';
import { type TwoWayOutput, twoWay, twoWaySpecs } from './twoWay.js';

/** `single` is mask token 0, the one that CellSAM uses; `multi` are the alternatives. */
export type MaskOutput = 'single' | 'multi';

export type MaskPrediction = {
  /** `[n, 4h, 4w, M]` logits. */
  readonly masks: tf.Tensor4D;
  /** `[n, M]` predicted IoU, without a sigmoid. */
  readonly iou: tf.Tensor2D;
  readonly twoWay: TwoWayOutput;
};

/**
 * SAM's mask decoder (Kirillov et al. 2023): any number of prompts of one image as one batch.
 *
 * @param embedding `[1, h, w, C]` image embedding common to all prompts, or `[n, h, w, C]`
 * @param positions `[1, h, w, C]` dense positional encoding
 * @param sparse `[n, t, C]` prompt tokens
 * @param dense `[1, 1, 1, C]` without mask prompts (then the image's part is computed once for all), or `[n, h, w, C]`
 */
export function maskDecoder(
  embedding: tf.Tensor4D,
  positions: tf.Tensor4D,
  sparse: tf.Tensor3D,
  dense: tf.Tensor4D,
  weights: Weights,
  config: MaskDecoderConfig,
  output: MaskOutput = 'single',
): MaskPrediction {
  return tf.tidy(() => {
    const [, h, w, c] = embedding.shape;
    const n = sparse.shape[0];
    const own = tf.concat([weights.get('iou_token.weight'), weights.get('mask_tokens.weight')], 0);
    const tokens = tf.concat([own.expandDims(0).tile([n, 1, 1]), sparse], 1) as tf.Tensor3D;
    const image = embedding.add(dense).reshape([-1, h * w, c]) as tf.Tensor3D;
    const mixed = twoWay(
      tokens,
      image,
      positions.reshape([1, h * w, c]) as tf.Tensor3D,
      weights.scope('transformer'),
      config,
    );
    const upscaled = upscale(mixed.image, h, w, weights.scope('output_upscaling')); // [n, 16hw, C / 8]
    const wanted =
      output === 'single' ? [0] : Array.from({ length: config.numMultimaskOutputs }, (_, i) => i + 1);
    const kernels = wanted.map((m) => {
      const token = mixed.tokens.slice([0, 1 + m, 0], [-1, 1, -1]).reshape([n, c]);
      return mlpHead(token, weights, `output_hypernetworks_mlps.${m}`, 3).expandDims(1);
    });
    const masks = tf
      .matMul(upscaled, tf.concat(kernels, 1), false, true)
      .reshape([n, 4 * h, 4 * w, wanted.length]) as tf.Tensor4D;
    const quality = mlpHead(
      mixed.tokens.slice([0, 0, 0], [-1, 1, -1]).reshape([n, c]),
      weights,
      'iou_prediction_head',
      config.iouHeadDepth,
    );
    const iou = quality.slice([0, wanted[0] ?? 0], [-1, wanted.length]) as tf.Tensor2D;
    return { masks, iou, twoWay: mixed };
  });
}

/** Two transposed convolutions of kernel and stride 2, each a matrix product; rows and columns are sorted at the end. */
function upscale(image: tf.Tensor3D, h: number, w: number, weights: Weights): tf.Tensor3D {
  const n = image.shape[0];
  const step = (x: tf.Tensor, name: string) => {
    const kernel = weights.get(`${name}.weight`); // [2, 2, out, in]
    const [, , outputs, inputs] = kernel.shape as [number, number, number, number];
    const matrix = kernel.transpose([3, 0, 1, 2]).reshape([inputs, 4 * outputs]);
    const y = project(x, matrix);
    return y.reshape([...x.shape.slice(0, -1), 4, outputs]).add(weights.get(`${name}.bias`));
  };
  const first = gelu(norm(step(image, '0'), weights, '1', CHANNEL_NORM_EPS)); // [n, hw, 4, C / 4]
  const second = gelu(step(first, '3')); // [n, hw, 4, 4, C / 8]
  const channels = second.shape.at(-1) as number;
  // [n, h, w, (a b), (c d), ch] -> rows h, a, c and columns w, b, d; joined to rank 6 where neighbours stay together
  const rows = second.reshape([n * h, w, 2, 2, 2, 2 * channels]).transpose([0, 2, 4, 1, 3, 5]); // [nh, a, c, w, b, (d ch)]
  return rows.reshape([n, 16 * h * w, channels]);
}

export function maskDecoderSpecs(config: MaskDecoderConfig): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const dim = config.transformerDim;
  const masks = config.numMultimaskOutputs + 1;
  const unit = { kind: 'normal', deviation: 1 } as const;
  addScoped(specs, 'transformer', twoWaySpecs(config));
  specs.set('iou_token.weight', { shape: [1, dim], init: unit });
  specs.set('mask_tokens.weight', { shape: [masks, dim], init: unit });
  transposedConvSpecs(specs, 'output_upscaling.0', dim, dim / 4);
  normSpecs(specs, 'output_upscaling.1', dim / 4);
  transposedConvSpecs(specs, 'output_upscaling.3', dim / 4, dim / 8);
  for (let m = 0; m < masks; m++) headSpecs(specs, `output_hypernetworks_mlps.${m}`, dim, dim, dim / 8, 3);
  headSpecs(specs, 'iou_prediction_head', dim, config.iouHeadHiddenDim, masks, config.iouHeadDepth);
  return specs;
}

function transposedConvSpecs(specs: WeightSpecs, name: string, inputs: number, outputs: number): void {
  const init = { kind: 'fanIn', fanIn: outputs * 4 } as const;
  specs.set(`${name}.weight`, { shape: [inputs, outputs, 2, 2], init });
  specs.set(`${name}.bias`, { shape: [outputs], init });
}

/** Linear layers `name.layers.i` of an MLP head. */
export function headSpecs(
  specs: WeightSpecs,
  name: string,
  inputs: number,
  hidden: number,
  outputs: number,
  depth: number,
): void {
  for (let i = 0; i < depth; i++) {
    linearSpecs(specs, `${name}.layers.${i}`, i === 0 ? inputs : hidden, i === depth - 1 ? outputs : hidden);
  }
}
