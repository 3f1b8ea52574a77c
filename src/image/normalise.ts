import { DataError } from '../core/errors.js';
import { clahe, extent } from './clahe.js';

/** `[H, W, 3]` in double precision: CLAHE rounds grey levels, and single precision would move some of them. */
export interface ThreeChannels {
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** CellSAM's settings for single images. */
const CLAHE = { kernel: 128, clipLimit: 0.01 };
const BRIGHT_SHARE = 0.999;
const EMPTY_SHARE = 0.05;

/**
 * Brings an array into CellSAM's form: the shortest of three axes becomes the channel axis; one channel fills the last
 * place, two the last two, the rest is zero.
 *
 * @throws DataError for other than two or three axes or more than three channels
 */
export function toThreeChannels(values: ArrayLike<number>, shape: readonly number[]): ThreeChannels {
  if (shape.length !== 2 && shape.length !== 3)
    throw new DataError(`expected an image with 2 or 3 axes, found shape [${shape.join(', ')}]`, {
      fix: 'pass one image at a time',
    });
  const full = shape.length === 2 ? [...shape, 1] : [...shape];
  const axis = shape.length === 2 ? 2 : full.indexOf(Math.min(...full));
  const channels = full[axis] as number;
  if (channels > 3)
    throw new DataError(`expected at most 3 channels, found ${channels} in shape [${shape.join(', ')}]`, {
      fix: 'select the nuclear and the whole-cell channel',
    });
  const strides = [(full[1] as number) * (full[2] as number), full[2] as number, 1];
  const [rows, columns] = [0, 1, 2].filter((i) => i !== axis) as [number, number];
  const [height, width] = [full[rows] as number, full[columns] as number];
  const data = new Float64Array(height * width * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) {
        const from =
          y * (strides[rows] as number) + x * (strides[columns] as number) + c * (strides[axis] as number);
        data[(y * width + x) * 3 + 3 - channels + c] = values[from] as number;
      }
  return { height, width, data };
}

/** Per channel, values above the 99.9 percentile of its non-zero values are set to it. */
export function clipBrightSpots(image: ThreeChannels): ThreeChannels {
  return eachChannel(image, (values) => {
    const sorted = values.filter((value) => value !== 0).sort();
    if (sorted.length === 0) return values;
    const limit = percentile(sorted, BRIGHT_SHARE);
    return values.map((value) => Math.min(value, limit));
  });
}

/**
 * Per channel: constant becomes zeros, anything else is stretched to 0..1 and equalised by CLAHE.
 *
 * @param extents lowest and highest value of each channel of the larger image that this is a part of; a part with hardly
 *   any contrast beside it is empty, and CLAHE would make its noise as bright as cells
 */
export function equalise(
  image: ThreeChannels,
  extents?: readonly (readonly [low: number, high: number])[],
): ThreeChannels {
  return eachChannel(image, (values, channel) => {
    const [least, most] = extent(values);
    const [low, high] = extents?.[channel] ?? [least, most];
    const isEmpty = extents !== undefined && most - least < EMPTY_SHARE * (high - low);
    if (most === least || high <= low || isEmpty) return new Float64Array(values.length);
    const unit = values.map((value) => Math.min(1, Math.max(0, (value - low) / (high - low))));
    return clahe(unit, image.height, image.width, CLAHE);
  });
}

/** CellSAM's preprocessing of one image: form, bright spots, CLAHE. `[H, W, 3]` in 0..1. */
export function normalise(values: ArrayLike<number>, shape: readonly number[]): ThreeChannels {
  return equalise(clipBrightSpots(toThreeChannels(values, shape)));
}

/** The other normalisation of the published pipeline: per channel to 0..1 in single precision; constants stay. */
export function minMax(image: ThreeChannels): ThreeChannels {
  const f = Math.fround;
  return eachChannel(image, (values) => {
    const [low, high] = extent(values.map(f));
    return high === low ? values : values.map((value) => f(f(f(value) - low) / f(high - low)));
  });
}

/** Linear interpolation between the neighbours of rank `share * (n - 1)`, as NumPy does. */
export function percentile(sorted: Float64Array | Float32Array, share: number): number {
  const rank = share * (sorted.length - 1);
  const below = sorted[Math.floor(rank)] as number;
  const above = sorted[Math.ceil(rank)] as number;
  return below + (above - below) * (rank - Math.floor(rank));
}

function eachChannel(
  image: ThreeChannels,
  map: (values: Float64Array, channel: number) => Float64Array,
): ThreeChannels {
  const pixels = image.height * image.width;
  const data = new Float64Array(3 * pixels);
  for (let c = 0; c < 3; c++) {
    const values = Float64Array.from({ length: pixels }, (_, i) => image.data[3 * i + c] as number);
    const mapped = map(values, c);
    for (let i = 0; i < pixels; i++) data[3 * i + c] = mapped[i] as number;
  }
  return { ...image, data };
}
