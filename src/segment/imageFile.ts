import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, reason } from '../core/errors.js';
import type { PixelImage } from '../image/types.js';
import type { ImageSource, Tile } from './tiles.js';

const tiffs = new Set(['.tif', '.tiff', '.svs', '.ndpi']);

/** File name endings that are segmented when a folder is given. */
export const imageEndings: readonly string[] = [
  '.tif',
  '.tiff',
  '.png',
  '.jpg',
  '.jpeg',
  '.webp',
  '.svs',
  '.ndpi',
];

/**
 * Opens an image; TIFFs are read part by part, so that slides of any size fit.
 *
 * @throws DataError naming the file when it cannot be read
 */
export async function openImage(path: string): Promise<ImageSource> {
  try {
    return tiffs.has(extname(path).toLowerCase()) ? await openTiff(path) : await openPicture(path);
  } catch (thrown) {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'open it in an image viewer; if it opens there, save it as TIFF or PNG',
      cause: thrown,
    });
  }
}

/** The whole image of a source. */
export async function readWhole(source: ImageSource): Promise<PixelImage> {
  return source.read({ x0: 0, y0: 0, x1: source.width, y1: source.height });
}

async function openTiff(path: string): Promise<ImageSource> {
  const { fromFile } = await import('geotiff');
  const image = await (await fromFile(path)).getImage();
  const [height, width] = [image.getHeight(), image.getWidth()];
  const samples = image.getSamplesPerPixel();
  const bits = image.getBitsPerSample();
  const isFloat = image.getSampleFormat() === 3;
  const high = isFloat ? 1 : 2 ** Math.min(32, Number(bits)) - 1;
  return {
    height,
    width,
    read: async ({ x0, y0, x1, y1 }: Tile) => {
      const raster = await image.readRasters({ window: [x0, y0, x1, y1], interleave: true });
      const data = Float32Array.from(raster as ArrayLike<number>);
      return picture(y1 - y0, x1 - x0, samples, data, high);
    },
  };
}

async function openPicture(path: string): Promise<ImageSource> {
  const { default: sharp } = await import('sharp');
  const file = sharp(await readFile(path));
  const { depth, space } = await file.metadata();
  const isDeep = depth === 'ushort';
  const isGrey = space === 'b-w' || space === 'grey16';
  const { data, info } = await file
    .removeAlpha()
    .toColourspace(isGrey ? (isDeep ? 'grey16' : 'b-w') : isDeep ? 'rgb16' : 'srgb')
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const own = Uint8Array.from(data);
  const values = Float32Array.from(isDeep ? new Uint16Array(own.buffer) : own);
  const whole = picture(info.height, info.width, info.channels, values, isDeep ? 65535 : 255);
  const { sourceOf } = await import('./tiles.js');
  return sourceOf(whole);
}

/** One channel is grey, two are nuclear and whole-cell; alpha is dropped; equal colour channels are one. */
function picture(
  height: number,
  width: number,
  samples: number,
  data: Float32Array,
  high: number,
): PixelImage {
  const kept = Math.min(3, samples);
  const range = [0, high] as const;
  if (kept === 3 && isGreyScale(data, samples)) {
    return { height, width, channels: ['grey'], data: take(data, samples, 1), range };
  }
  const channels = kept === 1 ? ['grey'] : kept === 2 ? ['nuclear', 'whole-cell'] : ['red', 'green', 'blue'];
  return { height, width, channels, data: take(data, samples, kept), range };
}

function isGreyScale(data: Float32Array, samples: number): boolean {
  for (let i = 0; i < data.length; i += samples)
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  return true;
}

function take(data: Float32Array, samples: number, kept: number): Float32Array {
  if (samples === kept) return data;
  return Float32Array.from({ length: (data.length / samples) * kept }, (_, i) => {
    return data[Math.floor(i / kept) * samples + (i % kept)] as number;
  });
}
