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
  /** Position of a plane's channel's first value, and the steps from there to the next row and column. */
  readonly start: (plane: number, channel: number) => number;
  readonly rowStep: number;
  readonly columnStep: number;
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
    start: (plane, channel) =>
      Math.floor(plane / depth) * t +
      (plane % depth) * z +
      Math.floor(channel / samples) * c +
      (channel % samples) * s,
    rowStep: y,
    columnStep: x,
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
  const { height, width, planes, rowStep, columnStep } = layout;
  if ((planes > 1 && plane === undefined) || (plane ?? 0) >= planes)
    throw new DataError(`${path} is a volume or film of ${planes} planes`, {
      where: path,
      fix: 'use the type `volumes`, save one plane, or set the option `pages: channels`',
    });
  const found = layout.channels - (raw.hasAlpha ? 1 : 0);
  const starts = Array.from({ length: found }, (_, channel) => layout.start(plane ?? 0, channel));
  const isGrey = raw.isColour === true && found === 3 && areEqual(raw, layout, starts);
  const kept = isGrey ? 1 : found;
  const data = new Float32Array(height * width * kept);
  for (let c = 0; c < kept; c++) {
    for (let y = 0, i = c; y < height; y++) {
      let at = (starts[c] as number) + y * rowStep;
      for (let x = 0; x < width; x++, i += kept, at += columnStep) {
        const value = raw.data[at] as number;
        if (value - value !== 0) throw notFinite(path, value, x, y);
        data[i] = value;
      }
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
    fix: 'replace NaN and infinite values by numbers',
  });
}

/** What is worth a warning about a file's numbers. */
export function warningsOf(raw: RawImage): string[] {
  const isWhole = raw.data instanceof Uint32Array || raw.data instanceof Int32Array;
  return isWhole && Math.max(-raw.range[0], raw.range[1]) > EXACT
    ? [`values up to ${raw.range[1]} are rounded: single precision holds whole numbers to ${EXACT}`]
    : [];
}

function areEqual(raw: RawImage, layout: Layout, starts: readonly number[]): boolean {
  const { height, width, rowStep, columnStep } = layout;
  const [red = 0, green = 0, blue = 0] = starts;
  for (let y = 0; y < height; y++)
    for (let x = 0, at = y * rowStep; x < width; x++, at += columnStep) {
      const value = raw.data[red + at];
      if (value !== raw.data[green + at] || value !== raw.data[blue + at]) return false;
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
export function toIds(
  raw: RawImage,
  path: string,
  image: PixelImage | undefined,
  plane?: number,
): Uint32Array {
  const layout = layoutOf(raw, 'planes');
  const { height, width, planes, channels, rowStep, columnStep } = layout;
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
  for (let y = 0, i = 0; y < height; y++) {
    let at = layout.start(plane ?? 0, 0) + y * rowStep;
    for (let x = 0; x < width; x++, i++, at += columnStep) {
      const id = raw.data[at] as number;
      if (!(id >= 0 && id <= 0xffffffff && id === Math.floor(id)))
        throw new DataError(`${path} has the value ${id}, which is no object id`, {
          where: path,
          fix: 'save labels as whole numbers from 0',
        });
      ids[i] = id;
    }
  }
  return ids;
}

/** A mask file's ids. @throws DataError as `toIds` */
export async function readIds(path: string, image: PixelImage, variable?: string): Promise<Uint32Array> {
  return toIds(await decodeFile(path, variable), path, image);
}
