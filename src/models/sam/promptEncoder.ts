import { gelu, tf } from '../../tf/index.js';
import { norm } from '../linear.js';
import type { PromptEncoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { convSpecs, normSpecs, type WeightSpecs } from '../specs.js';
import { CHANNEL_NORM_EPS } from './imageEncoder.js';

/** Prompts of n objects, in pixels of the encoded image. Points and boxes may come together. */
export interface PromptTensors {
  /** `[n, k, 2]` x, y. */
  readonly points?: tf.Tensor3D | undefined;
  /** `[n, k]`: 1 foreground, 0 background, -1 no point. */
  readonly pointLabels?: tf.Tensor2D | undefined;
  /** `[n, 4]` x0, y0, x1, y1. */
  readonly boxes?: tf.Tensor2D | undefined;
}

/** Height and width of the encoded image in pixels, padding included. */
export interface FrameSize {
  readonly height: number;
  readonly width: number;
}

/** Fourier features of positions in 0..1: `[..., 2]` (x, y) -> `[..., C]`, with the stored random matrix. */
function fourier(positions: tf.Tensor, weights: Weights): tf.Tensor {
  return tf.tidy(() => {
    const matrix = weights.get('pe_layer.positional_encoding_gaussian_matrix') as tf.Tensor2D; // [2, C / 2]
    const flat = positions.mul(2).sub(1).reshape([-1, 2]) as tf.Tensor2D;
    const angles = tf.matMul(flat, matrix).mul(2 * Math.PI);
    return tf
      .concat([angles.sin(), angles.cos()], 1)
      .reshape([...positions.shape.slice(0, -1), 2 * (matrix.shape[1] as number)]);
  });
}

/** Positional encoding of every token of an `h x w` grid: `[1, h, w, C]`. */
export function densePositions(height: number, width: number, weights: Weights): tf.Tensor4D {
  return tf.tidy(() => {
    const data = new Float32Array(height * width * 2);
    for (let i = 0; i < height * width; i++) {
      data[2 * i] = ((i % width) + 0.5) / width;
      data[2 * i + 1] = (Math.floor(i / width) + 0.5) / height;
    }
    return fourier(tf.tensor(data, [1, height, width, 2]), weights) as tf.Tensor4D;
  });
}

/**
 * Prompt tokens `[n, t, C]`: points first, then two corners of the box. Points without a box get one padding point.
 */
export function sparsePrompts(prompts: PromptTensors, frame: FrameSize, weights: Weights): tf.Tensor3D {
  return tf.tidy(() => {
    const tokens: tf.Tensor[] = [];
    if (prompts.points !== undefined && prompts.pointLabels !== undefined) {
      const hasBoxes = prompts.boxes !== undefined;
      tokens.push(embedPoints(prompts.points, prompts.pointLabels, frame, weights, !hasBoxes));
    }
    if (prompts.boxes !== undefined) tokens.push(embedBoxes(prompts.boxes, frame, weights));
    return (tokens.length === 1 ? tokens[0] : tf.concat(tokens, 1)) as tf.Tensor3D;
  });
}

function embedPoints(
  points: tf.Tensor3D,
  labels: tf.Tensor2D,
  frame: FrameSize,
  weights: Weights,
  addPadding: boolean,
): tf.Tensor {
  const n = points.shape[0];
  const all = addPadding ? tf.concat([points, tf.zeros([n, 1, 2])], 1) : points;
  const kinds = addPadding ? tf.concat([labels.toFloat(), tf.fill([n, 1], -1)], 1) : labels.toFloat();
  return labelledPoints(all, kinds, frame, weights);
}

/**
 * Tokens `[n, t, C]` of points `[n, t, 2]` by their labels `[n, t]`, as SAM's exported decoder takes them: 0 background,
 * 1 foreground, 2 and 3 first and second corner of a box, -1 padding.
 */
export function labelledPoints(
  points: tf.Tensor,
  labels: tf.Tensor,
  frame: FrameSize,
  weights: Weights,
): tf.Tensor3D {
  return tf.tidy(() => {
    const is = (label: number) => labels.equal(label).toFloat().expandDims(-1);
    const padding = is(-1);
    let tokens = fourier(toUnit(points, frame), weights)
      .mul(tf.sub(1, padding))
      .add(padding.mul(weights.get('not_a_point_embed.weight')));
    for (let label = 0; label < 4; label++)
      tokens = tokens.add(is(label).mul(weights.get(`point_embeddings.${label}.weight`)));
    return tokens as tf.Tensor3D;
  });
}

function embedBoxes(boxes: tf.Tensor2D, frame: FrameSize, weights: Weights): tf.Tensor {
  const corners = fourier(toUnit(boxes.reshape([-1, 2, 2]), frame), weights);
  const kinds = tf.stack([
    weights.get('point_embeddings.2.weight').flatten(),
    weights.get('point_embeddings.3.weight').flatten(),
  ]);
  return corners.add(kinds);
}

/** Pixel coordinates, moved to the pixel's centre, in 0..1 of the frame. */
const toUnit = (xy: tf.Tensor, frame: FrameSize): tf.Tensor =>
  xy.add(0.5).div(tf.tensor1d([frame.width, frame.height]));

/** Embeds mask prompts `[n, 4h, 4w, 1]` (logits) as `[n, h, w, C]`. */
export function maskPrompts(masks: tf.Tensor4D, weights: Weights): tf.Tensor4D {
  return tf.tidy(() => {
    const w = weights.scope('mask_downscaling');
    const conv = (x: tf.Tensor4D, name: string, stride: number) =>
      tf
        .conv2d(x, w.get(`${name}.weight`) as tf.Tensor4D, stride, 'valid')
        .add(w.get(`${name}.bias`)) as tf.Tensor4D;
    const first = gelu(norm(conv(masks, '0', 2), w, '1', CHANNEL_NORM_EPS)) as tf.Tensor4D;
    const second = gelu(norm(conv(first, '3', 2), w, '4', CHANNEL_NORM_EPS)) as tf.Tensor4D;
    return conv(second, '6', 1);
  });
}

/**
 * Boxes as mask prompts `[n, height, width, 1]`: 1 at the centre of the inscribed ellipse, 0 on it, -1 well outside. Not
 * part of SAM; with it a decoder that starts from nothing need not learn first where a box lies.
 *
 * @param frame the image in px; the prompts have `height x width` cells over it
 */
export function ellipsePrompts(
  boxes: tf.Tensor2D,
  frame: FrameSize,
  height: number,
  width: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const [x0, y0, x1, y1] = boxes.split(4, 1) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const offset = (low: tf.Tensor, high: tf.Tensor, cells: number, size: number) => {
      const centres = tf
        .range(0, cells)
        .add(0.5)
        .mul(size / cells)
        .expandDims(0);
      const half = high.sub(low).div(2).clipByValue(0.5, size);
      return centres.sub(low.add(high).div(2)).div(half).square(); // [n, cells]
    };
    const distance = offset(x0, x1, width, frame.width)
      .expandDims(1)
      .add(offset(y0, y1, height, frame.height).expandDims(2));
    return tf.sub(1, distance).clipByValue(-1, 1).expandDims(-1) as tf.Tensor4D;
  });
}

/** What stands in for a mask prompt: `[1, 1, 1, C]`, to be broadcast. */
export function noMask(weights: Weights): tf.Tensor4D {
  return weights.get('no_mask_embed.weight').reshape([1, 1, 1, -1]);
}

export function promptEncoderSpecs(config: PromptEncoderConfig): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const { embedDim: dim, maskInChans: hidden } = config;
  const unit = { kind: 'normal', deviation: 1 } as const;
  specs.set('pe_layer.positional_encoding_gaussian_matrix', {
    shape: [2, dim / 2],
    init: unit,
    isTrainable: false,
  });
  for (let i = 0; i < 4; i++) specs.set(`point_embeddings.${i}.weight`, { shape: [1, dim], init: unit });
  specs.set('not_a_point_embed.weight', { shape: [1, dim], init: unit });
  convSpecs(specs, 'mask_downscaling.0', 1, hidden / 4, 2);
  normSpecs(specs, 'mask_downscaling.1', hidden / 4);
  convSpecs(specs, 'mask_downscaling.3', hidden / 4, hidden, 2);
  normSpecs(specs, 'mask_downscaling.4', hidden);
  convSpecs(specs, 'mask_downscaling.6', hidden, dim, 1);
  specs.set('no_mask_embed.weight', { shape: [1, dim], init: unit });
  return specs;
}
