import type { PixelImage } from '../image/types.js';
import type { Engine } from './engine.js';

/** Low and high value of each channel, taken from the whole image, so that all its tiles look alike. */
export type Stretch = readonly (readonly [low: number, high: number])[];

/** An image in the model's frame. */
export interface Frame {
  /** `[S, S, 3]`, normalised; zeros outside the content. */
  readonly data: Float32Array;
  /** Part of the frame that holds the image, at its top left. */
  readonly input: readonly [height: number, width: number];
}

/**
 * `pad` brings the longer side to S and keeps the aspect ratio; `stretch` fills the square, as CellSAM was released;
 * `native` keeps the pixels' size, surrounded by black, as small models are trained (larger images are tiled).
 */
export type Fit = 'native' | 'pad' | 'stretch';

const enough = 400_000;

/** The 0.5 and 99.8 percentiles of each channel; of a regular sample where the image is large. */
export function stretchOf(image: PixelImage): Stretch {
  const count = image.channels.length;
  const pixels = image.height * image.width;
  const step = Math.max(1, Math.floor(pixels / enough));
  return image.channels.map((_, c) => {
    const values = new Float32Array(Math.ceil(pixels / step));
    for (let i = 0, k = 0; i < pixels; i += step, k++) values[k] = image.data[i * count + c] as number;
    values.sort();
    return [percentile(values, 0.005), percentile(values, 0.998)];
  });
}

function percentile(sorted: Float32Array, share: number): number {
  const rank = share * (sorted.length - 1);
  const low = Math.floor(rank);
  const a = sorted[low] ?? 0;
  return a + (rank - low) * ((sorted[Math.min(low + 1, sorted.length - 1)] ?? 0) - a);
}

/**
 * Brings an image into the frame: stretched to 0 .. 255, up to three channels (the last on blue), resized, normalised.
 *
 * @param zoom magnification with `native`, as far as the frame allows
 */
export function frameOf(image: PixelImage, stretch: Stretch, engine: Engine, fit: Fit, zoom = 1): Frame {
  const { side, pixelMean, pixelStd } = engine;
  const longer = Math.max(image.height, image.width);
  const scale = fit === 'native' ? Math.min(zoom, side / longer) : side / longer;
  const input: [number, number] =
    fit === 'stretch'
      ? [side, side]
      : [Math.max(1, Math.round(image.height * scale)), Math.max(1, Math.round(image.width * scale))];
  const count = image.channels.length;
  const used = Math.min(3, count);
  const data = new Float32Array(side * side * 3);
  const rows = weightsFor(image.height, input[0]);
  const columns = weightsFor(image.width, input[1]);
  for (let target = 0; target < 3; target++) {
    const source = target - (3 - used);
    const mean = pixelMean[target] as number;
    const std = pixelStd[target] as number;
    const resized =
      source < 0
        ? undefined
        : resize(plane(image, source, stretch[source] ?? [0, 1]), image.width, rows, columns);
    if (fit === 'native') for (let k = target; k < data.length; k += 3) data[k] = -mean / std;
    for (let y = 0, k = 0; y < input[0]; y++)
      for (let x = 0; x < input[1]; x++, k++)
        data[(y * side + x) * 3 + target] = ((resized?.[k] ?? 0) - mean) / std;
  }
  return { data, input };
}

function plane(image: PixelImage, channel: number, [low, high]: readonly [number, number]): Float32Array {
  const count = image.channels.length;
  const scale = high > low ? 255 / (high - low) : 0;
  return Float32Array.from({ length: image.height * image.width }, (_, i) => {
    const value = ((image.data[i * count + channel] as number) - low) * scale;
    return Math.min(255, Math.max(0, value));
  });
}

interface AxisWeights {
  readonly first: Int32Array;
  readonly weights: readonly Float64Array[];
}

/** Bilinear, half-pixel centres, antialiased where the image shrinks. */
function weightsFor(from: number, to: number): AxisWeights {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const first = new Int32Array(to);
  const weights: Float64Array[] = [];
  for (let i = 0; i < to; i++) {
    const centre = scale * (i + 0.5);
    const low = Math.max(0, Math.floor(centre - support + 0.5));
    const high = Math.min(from, Math.floor(centre + support + 0.5));
    const w = Float64Array.from({ length: high - low }, (_, j) =>
      Math.max(0, 1 - Math.abs(low + j + 0.5 - centre) / support),
    );
    const sum = w.reduce((a, b) => a + b, 0);
    first[i] = low;
    weights.push(w.map((v) => v / sum));
  }
  return { first, weights };
}

function resize(data: Float32Array, width: number, rows: AxisWeights, columns: AxisWeights): Float32Array {
  const height = data.length / width;
  const across = columns.weights.length;
  const narrow = new Float64Array(height * across);
  for (let x = 0; x < across; x++) {
    const w = columns.weights[x] as Float64Array;
    const from = columns.first[x] as number;
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let j = 0; j < w.length; j++) sum += (w[j] as number) * (data[y * width + from + j] as number);
      narrow[y * across + x] = sum;
    }
  }
  const out = new Float32Array(rows.weights.length * across);
  for (const [y, w] of rows.weights.entries()) {
    for (let j = 0; j < w.length; j++) {
      const row = ((rows.first[y] as number) + j) * across;
      const weight = w[j] as number;
      for (let x = 0, o = y * across; x < across; x++, o++)
        out[o] = (out[o] as number) + weight * (narrow[row + x] as number);
    }
  }
  return out;
}
