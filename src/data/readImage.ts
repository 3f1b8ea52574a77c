import { DataError } from '../core/errors.js';
import type { PixelImage } from '../image/types.js';
import { decodeFile, type RawImage } from '../io/decode.js';
import { chooseChannels, type ImageOptions, NO_OPTIONS } from './imageOptions.js';

/** Above it, float32 does not hold every whole number. */
const EXACT = 2 ** 24;
/** Pages that nobody explains are channels up to this many. */
const MAX_CHANNEL_PAGES = 8;

/** Reads an image file: alpha is dropped, equal colours are one grey channel, pages become channels. */
export async function readPixelImage(path: string, options: ImageOptions = NO_OPTIONS): Promise<PixelImage> {
  return toPixelImage(await decodeFile(path), path, options);
}

/** How a file's values lie: where channels and planes are to be found. */
interface Layout {
  readonly height: number;
  readonly width: number;
  /** Time points times depths. */
  readonly planes: number;
  readonly channels: number;
  /** Position of a value. */
  readonly at: (plane: number, channel: number, y: number, x: number) => number;
}

/** Planes (depths times time points) of a file. */
export function planesOf(raw: RawImage, pages: ImageOptions['pages'] = 'auto'): number {
  return layoutOf(raw, pages).planes;
}

function layoutOf(raw: RawImage, pages: ImageOptions['pages']): Layout {
  const size = (axis: string): number => {
    const at = axes.indexOf(axis);
    return at < 0 ? 1 : (raw.shape[at] as number);
  };
  const unexplained = raw.shape[raw.axes.indexOf('q')] ?? 1;
  const areChannels = pages === 'channels' || (pages === 'auto' && unexplained <= MAX_CHANNEL_PAGES);
  const axes = raw.axes.replace('q', areChannels ? 'c' : 'z');
  const steps: Record<string, number> = {};
  let step = 1;
  for (let i = axes.length - 1; i >= 0; i--) {
    steps[axes[i] as string] = step;
    step *= raw.shape[i] as number;
  }
  const of = (axis: string): number => steps[axis] ?? 0;
  const [t, z, c, y, x, s] = [of('t'), of('z'), of('c'), of('y'), of('x'), of('s')];
  const [depth, samples] = [size('z'), size('s')];
  return {
    height: size('y'),
    width: size('x'),
    planes: size('t') * depth,
    channels: size('c') * samples,
    at: (plane, channel, row, column) =>
      Math.floor(plane / depth) * t +
      (plane % depth) * z +
      Math.floor(channel / samples) * c +
      (channel % samples) * s +
      row * y +
      column * x,
  };
}

/**
 * One plane of a file as an image.
 *
 * @param plane from 0; needed where the file has several
 * @throws DataError for a volume without `plane`, a value that is no number, or an unknown channel
 */
export function toPixelImage(
  raw: RawImage,
  path: string,
  options: ImageOptions = NO_OPTIONS,
  plane?: number,
): PixelImage {
  const layout = layoutOf(raw, options.pages);
  const { height, width, planes } = layout;
  if ((planes > 1 && plane === undefined) || (plane ?? 0) >= planes)
    throw new DataError(`${path} is a volume or film of ${planes} planes`, {
      where: path,
      fix: 'use the type `volumes`, save one plane, or set the option `pages: channels`',
    });
  const found = layout.channels - (raw.hasAlpha ? 1 : 0);
  const at = (channel: number) => (y: number, x: number) => layout.at(plane ?? 0, channel, y, x);
  const isGrey = raw.isColour === true && found === 3 && areEqual(raw, height, width, [at(0), at(1), at(2)]);
  const kept = isGrey ? 1 : found;
  const data = new Float32Array(height * width * kept);
  for (let c = 0; c < kept; c++) {
    const place = at(c);
    for (let y = 0, i = c; y < height; y++)
      for (let x = 0; x < width; x++, i += kept) {
        const value = raw.data[place(y, x)] as number;
        if (!Number.isFinite(value)) throw notFinite(path, value, x, y);
        data[i] = value;
      }
  }
  const { range, pixelSizeUm } = raw;
  const channels = raw.channels?.length === kept ? raw.channels : namesOf(kept, raw.isColour === true);
  return chooseChannels(
    { height, width, channels, data, range, ...(pixelSizeUm && { pixelSizeUm }) },
    options,
    path,
  );
}

function notFinite(path: string, value: number, x: number, y: number): DataError {
  return new DataError(`${path} has the value ${value} at (${x}, ${y}), which is not finite`, {
    where: path,
    fix: 'replace NaN and infinite values before training',
  });
}

/** What is worth a warning about a file's numbers. */
export function warningsOf(raw: RawImage): string[] {
  const isWhole = raw.data instanceof Uint32Array || raw.data instanceof Int32Array;
  return isWhole && Math.max(-raw.range[0], raw.range[1]) > EXACT
    ? [`values up to ${raw.range[1]} are rounded: single precision holds whole numbers to ${EXACT}`]
    : [];
}

type Place = (y: number, x: number) => number;

function areEqual(
  raw: RawImage,
  height: number,
  width: number,
  [red, green, blue]: readonly [Place, Place, Place],
): boolean {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const value = raw.data[red(y, x)];
      if (value !== raw.data[green(y, x)] || value !== raw.data[blue(y, x)]) return false;
    }
  return true;
}

function namesOf(count: number, isColour: boolean): readonly string[] {
  if (count === 1) return ['whole-cell'];
  if (count === 3 && isColour) return ['red', 'green', 'blue'];
  return Array.from({ length: count }, (_, i) => `channel-${i + 1}`);
}

/**
 * One plane of a mask file: the first sample of each pixel.
 *
 * @throws DataError for volumes without `plane`, sizes that differ, and values that are no ids
 */
export function toIds(raw: RawImage, path: string, image: PixelImage | undefined, plane?: number): Uint32Array {
  const { height, width, planes, channels, at } = layoutOf(raw, 'planes');
  if ((planes > 1 && plane === undefined) || (plane ?? 0) >= planes)
    throw new DataError(`${path} has ${planes} planes; one mask is expected`, { where: path });
  if (channels > 4 || (channels > 1 && raw.axes.includes('c')))
    throw new DataError(`${path} has ${channels} channels; one mask is expected`, { where: path });
  if (image !== undefined && (height !== image.height || width !== image.width))
    throw new DataError(`${path} is ${width} x ${height}, its image ${image.width} x ${image.height}`, {
      where: path,
      fix: 'pair the image with its own mask; a mask of another scale has to be made anew',
    });
  const ids = new Uint32Array(height * width);
  for (let y = 0, i = 0; y < height; y++)
    for (let x = 0; x < width; x++, i++) {
      const id = raw.data[at(plane ?? 0, 0, y, x)] as number;
      if (!Number.isInteger(id) || id < 0 || id > 0xffffffff)
        throw new DataError(`${path} has the value ${id}, which is no object id`, {
          where: path,
          fix: 'save labels as whole numbers from 0',
        });
      ids[i] = id;
    }
  return ids;
}

/** A mask file's ids. @throws DataError as `toIds` */
export async function readIds(path: string, image: PixelImage, variable?: string): Promise<Uint32Array> {
  return toIds(await decodeFile(path, variable), path, image);
}
