import { percentile } from '../image/normalise.js';
import { resize } from '../image/resize.js';
import type { PixelImage } from '../image/types.js';
import type { Engine } from './engine.js';
import { publishedFrame } from './publishedFrame.js';

/** Low and high value of each channel, taken from the whole image, so that all its tiles look alike. */
export type Stretch = readonly (readonly [low: number, high: number])[];

/** An image in the model's frame. */
export interface Frame {
  /** `[S, S, 3]`, normalised; zeros outside the content. */
  readonly data: Float32Array;
  /** What the detector's own encoder sees, where it is not the same. */
  readonly detector?: Float32Array;
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

/**
 * Brings an image into the frame: stretched to 0 .. 255, up to three channels (the last on blue), resized, normalised; or, for
 * the released model, by its own preprocessing.
 *
 * @param zoom magnification with `native`, as far as the frame allows @param isTile the stretch is a larger image's
 */
export function frameOf(
  image: PixelImage,
  stretch: Stretch,
  engine: Engine,
  fit: Fit,
  zoom = 1,
  isTile = false,
): Frame {
  const { side } = engine;
  const longer = Math.max(image.height, image.width);
  const scale = fit === 'native' ? Math.min(zoom, side / longer) : side / longer;
  const input: [number, number] =
    fit === 'stretch'
      ? [side, side]
      : [Math.max(1, Math.round(image.height * scale)), Math.max(1, Math.round(image.width * scale))];
  if (engine.scaling === 'published') {
    const { masks, detector } = publishedFrame(image, ...input, isTile ? stretch : undefined);
    return { data: placed(masks, input, side), detector: placed(detector, input, side), input };
  }
  return { data: plainFrame(image, stretch, engine, input, fit === 'native'), input };
}

function plainFrame(
  image: PixelImage,
  stretch: Stretch,
  { side, pixelMean, pixelStd }: Engine,
  input: readonly [number, number],
  isBlackAround: boolean,
): Float32Array {
  const used = Math.min(3, image.channels.length);
  const { height, width } = image;
  const resized = resize({ height, width, channels: used, data: stretched(image, stretch, used) }, ...input);
  const empty = Array.from({ length: 3 }, (_, c) => -(pixelMean[c] as number) / (pixelStd[c] as number));
  const out = new Float32Array(input[0] * input[1] * 3);
  for (let i = 0; i < input[0] * input[1]; i++) {
    for (let target = 0; target < 3; target++) {
      const source = target - (3 - used);
      const value = source < 0 ? 0 : (resized[i * used + source] as number);
      out[3 * i + target] = (value - (pixelMean[target] as number)) / (pixelStd[target] as number);
    }
  }
  return placed(out, input, side, isBlackAround ? empty : undefined);
}

/** `[h, w, 3]` at the top left of `[side, side, 3]`, zeros or a colour around it. */
function placed(
  data: Float32Array,
  [height, width]: readonly [number, number],
  side: number,
  around?: readonly number[],
): Float32Array {
  if (height === side && width === side) return data;
  const out = new Float32Array(side * side * 3);
  if (around !== undefined) for (let k = 0; k < out.length; k++) out[k] = around[k % 3] as number;
  for (let y = 0; y < height; y++) out.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * side * 3);
  return out;
}

/** The first channels with each one's stretch on 0 .. 255. */
function stretched(image: PixelImage, stretch: Stretch, used: number): Float32Array {
  const count = image.channels.length;
  const pixels = image.height * image.width;
  const out = new Float32Array(pixels * used);
  for (let c = 0; c < used; c++) {
    const [low, high] = stretch[c] ?? [0, 1];
    const scale = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < pixels; i++) {
      const value = ((image.data[i * count + c] as number) - low) * scale;
      out[i * used + c] = Math.min(255, Math.max(0, value));
    }
  }
  return out;
}
