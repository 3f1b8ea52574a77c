import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, reason } from '../core/errors.js';
import { checkSize, type RawImage, rangeOf } from './raw.js';

export type { RawImage } from './raw.js';

type Read = (bytes: Uint8Array, path: string, variable: string | undefined) => Promise<RawImage>;

interface Reader {
  readonly matches: (head: string, path: string) => boolean;
  readonly read: Read;
}

/** Every image format: how its first bytes look, and what reads it. */
const READERS: Readonly<Record<string, Reader>> = {
  PNG: { matches: (head) => head.startsWith('\x89PNG'), read: readPngImage },
  TIFF: {
    matches: (head) => head.startsWith('II') || head.startsWith('MM'),
    read: async (bytes, path) => (await import('./tiff/read.js')).readTiff(bytes, path),
  },
  npy: { matches: (head) => head.startsWith('\x93NUMPY'), read: readNpyImage },
  JPEG: {
    matches: (head) => head.startsWith('\xff\xd8\xff'),
    read: async (bytes, path) => (await import('./picture.js')).readPicture(bytes, path),
  },
  WebP: {
    matches: (head) => head.startsWith('RIFF') && head.slice(8, 12) === 'WEBP',
    read: async (bytes, path) => (await import('./picture.js')).readPicture(bytes, path),
  },
  BMP: {
    matches: (head) => head.startsWith('BM'),
    read: async (bytes, path) => (await import('./bmp.js')).readBmp(bytes, path),
  },
  'MATLAB 5': {
    matches: (head, path) =>
      head.startsWith('MATLAB') || (head.startsWith('\x89HDF') && /\.mat$/i.test(path)),
    read: readMatImage,
  },
  NIfTI: {
    matches: (_, path) => /\.nii(\.gz)?$/i.test(path),
    read: async (bytes, path) => (await import('./nifti.js')).readNifti(bytes, path),
  },
};

/** File endings of microscopes' own formats, which are not read here (some of them as slides, see `segment/imageFile.ts`). */
export const VENDOR_FILE = /\.(czi|nd2|lif|lsm|oib|oif|vsi|vms|ims|dv|zvi|stk|svs|ndpi|mrxs|scn|bif)$/i;
const MAX_FILE = 2 ** 31 - 1;

/** What a file of this ending should be; those that are read by their name alone are not among them. */
const KINDS_BY_ENDING: Readonly<Record<string, keyof typeof READERS>> = {
  '.png': 'PNG',
  '.tif': 'TIFF',
  '.tiff': 'TIFF',
  '.npy': 'npy',
  '.jpg': 'JPEG',
  '.jpeg': 'JPEG',
  '.webp': 'WebP',
  '.bmp': 'BMP',
  '.mat': 'MATLAB 5',
};

/** Printable characters, blanks and line ends only. */
const isText = (head: Uint8Array): boolean =>
  head.every((byte) => (byte >= 32 && byte !== 127) || byte === 9 || byte === 10 || byte === 13);

/** File endings of images and masks that are read; `.zarr` is a folder. */
export const IMAGE_FILE = /\.(png|tiff?|npy|jpe?g|webp|bmp|nii|nii\.gz|zarr)$/i;

/**
 * Reads an image by its first bytes, never by its name alone.
 *
 * @param variable of files that hold several arrays (MATLAB), the name of the one wanted
 * @throws DataError naming the file and the repair
 */
export async function decodeFile(path: string, variable?: string): Promise<RawImage> {
  if (VENDOR_FILE.test(path)) {
    throw new DataError(`${path} is in the vendor's own format ${extname(path)}`, {
      where: path,
      fix: 'convert it with `bfconvert` (TIFF) or `bioformats2raw` (OME-Zarr) and use that file',
    });
  }
  const found = await stat(path).catch((thrown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  });
  if (found.isDirectory()) {
    const { isZarr, readZarr } = await import('./zarr.js');
    if (await isZarr(path)) return readZarr(path);
    throw new DataError(`${path} is a folder`, { where: path, fix: 'name the image in it' });
  }
  if (found.size === 0) throw new DataError(`${path} is empty`, { where: path, fix: 'copy the file again' });
  if (found.size > MAX_FILE)
    throw new DataError(`${path} has ${found.size} bytes; an image of up to 2 GB is read at once`, {
      where: path,
      fix: 'cut it into tiles or planes',
    });
  const bytes = await readFile(path);
  const head = bytes.subarray(0, 16).toString('latin1');
  const reader = Object.values(READERS).find(({ matches }) => matches(head, path));
  if (reader === undefined) {
    const claimed = KINDS_BY_ENDING[extname(path).toLowerCase()];
    const but = claimed === undefined ? '' : `: it is no ${claimed} inside, whatever its name says`;
    const what = isText(bytes.subarray(0, 512)) ? `${but === '' ? ': it' : ', it'} holds text` : '';
    throw new DataError(`${path} is in a format that is not read here${but}${what}`, {
      where: path,
      fix:
        claimed === undefined
          ? `save it as PNG or TIFF; read are ${Object.keys(READERS).join(', ')} and OME-Zarr`
          : 'copy or download it again, or save it from the program that made it; renaming alone changes no format',
    });
  }
  return reader.read(bytes, path, variable);
}

async function readPngImage(bytes: Uint8Array, path: string): Promise<RawImage> {
  const { readPng } = await import('./png.js');
  const png = await readPng(bytes, path);
  return {
    shape: [png.height, png.width, png.channels],
    axes: 'yxs',
    data: png.data,
    range: [0, 2 ** png.depth - 1],
    hasAlpha: png.channels === 2 || png.channels === 4,
    isColour: png.channels >= 3,
  };
}

async function readNpyImage(bytes: Uint8Array, path: string): Promise<RawImage> {
  const { readNpy, readNpyHeader } = await import('./npy.js');
  const header = readNpyHeader(bytes, path);
  if (header.dtype.endsWith('O')) return (await import('./segNpy.js')).readSegNpy(bytes, path);
  checkSize(header.shape, path);
  const { shape, data } = readNpy(bytes, path);
  return fromArray(shape, data, path);
}

async function readMatImage(bytes: Uint8Array, path: string, variable?: string): Promise<RawImage> {
  const { readMat } = await import('./mat.js');
  const arrays = readMat(bytes, path);
  const images = [...arrays].filter(([, { shape }]) => shape.every((n) => n > 1));
  // `inst_map` is what HoVer-Net and its kin call the label image beside their other maps.
  const usual = images.length === 1 ? images[0]?.[1] : arrays.get('inst_map');
  const found = variable === undefined ? usual : arrays.get(variable);
  if (found === undefined)
    throw new DataError(
      `${path} has ${variable === undefined ? 'several arrays' : `no array \`${variable}\``}: ${[...arrays.keys()].join(', ') || 'none'}`,
      { where: path, fix: 'name one of them as `variable` in the options of the dataset' },
    );
  return fromArray(found.shape, found.data, path);
}

const FEW = 16;

/**
 * Arrays without names of their axes: of three, the one with the fewest values is the channels when it is the first or
 * the last and has up to 16 (the last where both are equal); else the first axis counts planes.
 */
export function fromArray(
  shape: readonly number[],
  stored: ArrayLike<number | bigint>,
  path: string,
): RawImage {
  const data = (
    stored instanceof BigInt64Array || stored instanceof BigUint64Array
      ? Float64Array.from(stored, Number)
      : stored
  ) as ArrayLike<number>;
  const [first = 0, second = 0, last = 0] = shape;
  const isLast = last <= FEW && last <= first;
  const isFirst = first <= FEW && first < Math.min(second, last);
  const axes = { 2: 'yx', 3: isFirst ? 'cyx' : isLast ? 'yxs' : 'zyx', 4: 'zyxs' }[shape.length];
  if (axes === undefined)
    throw new DataError(`${path} has the shape ${shape.join(' x ')}; an image is expected`, { where: path });
  return { shape, axes, data, range: rangeOf(data) };
}
