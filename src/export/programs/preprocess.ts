import type { Formula, Sizes, SymbolSource } from '../../graph/trace/symbols.js';
import type { ModelConfig } from '../../models/options.js';
import { tf } from '../../tf/index.js';

/** How images come into the frame; see src/segment/preprocess.ts. */
export type GraphFit = 'native' | 'pad';

/** Height and width of the image, and those of its content in the frame. */
export function imageSymbols(side: number, fit: GraphFit): Readonly<Record<string, SymbolSource>> {
  const scaled = (name: string): Formula => {
    const enlarged: Formula = ['div', ['mul', side, name], ['max', 'H', 'W']];
    return ['floor', ['add', fit === 'native' ? ['min', name, enlarged] : enlarged, 0.5]];
  };
  return {
    H: { dim: ['image', 0] },
    W: { dim: ['image', 1] },
    inputH: { formula: scaled('H') },
    inputW: { formula: scaled('W') },
  };
}

/**
 * The segmenter's preprocessing as operations: a picture `[H, W, 3]` of bytes becomes one channel, turned over where
 * its background is bright, stretched between its 0.5 and 99.8 percentiles, resized with antialiasing, put on the last
 * channel of the frame and normalised: `[1, S, S, 3]`. Percentiles are of all pixels, those of `segment` of a sample of
 * large images.
 */
export function preprocess(image: tf.Tensor, config: ModelConfig, fit: GraphFit, sizes: Sizes): tf.Tensor4D {
  const { H = 1, W = 1, inputH = 1, inputW = 1 } = sizes;
  const { vit, pixelMean, pixelStd } = config;
  const side = vit.imgSize;
  const stretched = stretch(toGrey(image.toFloat(), fit), H * W);
  const [rows, columns] = [resizing(H, inputH, side), resizing(W, inputW, side)];
  const resized = tf.matMul(tf.matMul(rows, stretched.reshape([H, W]) as tf.Tensor2D), columns, false, true);
  const isInside = (length: number) => tf.range(0, side).less(tf.scalar(length)).toFloat();
  const inside = isInside(inputH).expandDims(1).mul(isInside(inputW).expandDims(0)); // [S, S]
  const last = tf.tensor1d([0, 0, 1]);
  const values = resized.mul(inside).expandDims(-1).mul(last);
  const normalised = values.sub(tf.tensor1d([...pixelMean])).div(tf.tensor1d([...pixelStd]));
  const framed = fit === 'native' ? normalised : normalised.mul(inside.expandDims(-1));
  return framed.expandDims(0) as tf.Tensor4D;
}

/** The mean of the channels `[H * W]`, turned over where the background is bright; the rules of src/image/channels.ts. */
function toGrey(image: tf.Tensor, fit: GraphFit): tf.Tensor1D {
  const grey = image.sum(-1).div(3).flatten() as tf.Tensor1D;
  const isColoured = image.max(-1).sub(image.min(-1)).max().greater(0);
  const turned = tf.sub(255, grey);
  if (fit === 'pad') {
    const isBright = element(grey, tf.scalar(grey.size * 0.5)).greater(127.5);
    return tf.where(isColoured.logicalAnd(isBright), turned, grey) as tf.Tensor1D;
  }
  const rank = (share: number) => element(grey, tf.scalar(share * (grey.size - 1) + 0.5));
  const middle = rank(0.005).add(rank(0.998)).div(2);
  const limit = tf.where(isColoured, middle.minimum(127.5), middle);
  return tf.where(rank(0.5).greater(limit), turned, grey) as tf.Tensor1D;
}

/** The element of this rank, 0 the smallest; fractions are cut off. */
function element(values: tf.Tensor1D, rank: tf.Tensor): tf.Tensor {
  return fallingElement(values, tf.sub(tf.scalar(values.size - 1), rank.floor()));
}

/** The element of this rank, 0 the largest; fractions are cut off. */
function fallingElement(values: tf.Tensor1D, rank: tf.Tensor): tf.Tensor {
  const { values: falling } = tf.topk(values, values.size, true);
  return falling.gather(
    rank
      .floor()
      .clipByValue(0, 2 ** 24)
      .toInt(),
  );
}

/**
 * Linear between the percentiles, to 0..255. Ranks are counted from the nearer end: float32 holds a rank near a million to
 * an eighth only, and the graph, which makes it from the image's sizes, rounds it another way than the trace did.
 */
function stretch(values: tf.Tensor1D, count: number): tf.Tensor {
  const between = (share: number, at: typeof element) => {
    const rank = tf.scalar(share * (count - 1));
    const [near, next] = [at(values, rank), at(values, rank.add(1).minimum(tf.scalar(count - 1)))];
    return near.add(rank.sub(rank.floor()).mul(next.sub(near)));
  };
  const [low, high] = [between(0.005, element), between(0.002, fallingElement)];
  const range = high.sub(low);
  const scale = tf.where(range.greater(0), tf.scalar(255).div(range.maximum(1e-6)), tf.scalar(0));
  return values.sub(low).mul(scale).clipByValue(0, 255);
}

/** `[S, from]`: bilinear weights of each row of the frame, half-pixel centres, wider where the image shrinks. */
function resizing(from: number, to: number, side: number): tf.Tensor2D {
  const scale = tf.scalar(from).div(tf.scalar(to));
  const support = scale.maximum(1);
  const centres = tf.range(0, side).add(0.5).mul(scale).expandDims(1);
  const distance = tf.range(0, from).add(0.5).expandDims(0).sub(centres).abs();
  const weights = tf.sub(1, distance.div(support)).relu();
  return weights.div(weights.sum(1, true).maximum(1e-6)) as tf.Tensor2D;
}
