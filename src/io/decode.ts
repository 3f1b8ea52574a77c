import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { DataError, reason } from '../core/errors.js';
import { readNpy } from './npy.js';
import { readPng } from './png.js';

/** An array as its file holds it: nothing scaled, clipped or reordered. */
export interface RawImage {
  /** `[H, W, C]`, or `[pages, H, W, C]` for a TIFF of several pages; of an npy, its own shape. */
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  /** The values that the file's number type can hold; of floats, the values found. */
  readonly range: readonly [low: number, high: number];
}

/** A larger image is refused before its pixels are allocated. */
const MAX_VALUES = 2 ** 29;
const VENDOR = /\.(czi|nd2|lif|lsm|oib|oif|vsi|svs|ndpi|mrxs|scn)$/i;

/** Reads an image by its first bytes. @throws DataError naming the file and the repair */
export async function decodeFile(path: string): Promise<RawImage> {
  if (VENDOR.test(path)) {
    throw new DataError(`${path} is in the vendor's own format ${extname(path)}`, {
      where: path,
      fix: 'convert it with `bfconvert` (TIFF) or `bioformats2raw` (OME-Zarr) and use that file',
    });
  }
  const bytes = await readFile(path).catch((thrown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  });
  if (bytes.length === 0)
    throw new DataError(`${path} is empty`, { where: path, fix: 'copy the file again' });
  const text = bytes.subarray(0, 6).toString('latin1');
  if (text.startsWith('\x89PNG')) {
    const png = await readPng(bytes, path);
    return {
      shape: [png.height, png.width, png.channels],
      data: png.data,
      range: [0, 2 ** png.depth - 1],
    };
  }
  if (text.startsWith('II') || text.startsWith('MM')) return decodeTiff(bytes, path);
  if (text.startsWith('\x93NUMPY')) {
    const { shape, data } = readNpy(bytes, path);
    const values =
      data instanceof BigInt64Array || data instanceof BigUint64Array ? Array.from(data, Number) : data;
    return { shape, data: values, range: rangeOf(values) };
  }
  throw new DataError(`${path} is in a format that is not read here`, {
    where: path,
    fix: 'save it as PNG, TIFF or npy',
  });
}

async function decodeTiff(bytes: Uint8Array, path: string): Promise<RawImage> {
  const { fromArrayBuffer } = await import('geotiff');
  try {
    const copy = Uint8Array.from(bytes).buffer;
    const tiff = await fromArrayBuffer(copy);
    const pages = countPages(bytes);
    const first = await tiff.getImage(0);
    const shape = [first.getHeight(), first.getWidth(), first.getSamplesPerPixel()];
    const size = shape.reduce((a, b) => a * b, 1);
    if (pages * size > MAX_VALUES) throw new Error(`it claims ${pages} pages of ${shape.join(' x ')} values`);
    const read: ArrayLike<number>[] = [];
    for (let i = 0; i < pages; i++) {
      const page = i === 0 ? first : await tiff.getImage(i);
      if (
        page.getHeight() !== shape[0] ||
        page.getWidth() !== shape[1] ||
        page.getSamplesPerPixel() !== shape[2]
      )
        throw new Error('its pages differ in size; save the full-size page alone');
      read.push((await page.readRasters({ interleave: true })) as ArrayLike<number>);
    }
    const head = read[0] as ArrayLike<number>;
    if (pages === 1) return { shape, data: head, range: rangeOf(head) };
    const data =
      head instanceof Uint32Array || head instanceof Int32Array
        ? new Float64Array(pages * size)
        : new Float32Array(pages * size);
    for (const [i, page] of read.entries()) data.set(page, i * size);
    return { shape: [pages, ...shape], data, range: rangeOf(head) };
  } catch (thrown) {
    throw new DataError(`${path} cannot be read: ${reason(thrown)}`, {
      where: path,
      fix: 'the file is damaged or of an unusual kind; save it again as a plain TIFF',
      cause: thrown,
    });
  }
}

/** What the number type can hold; for floats, the smallest and largest value found. */
function rangeOf(data: ArrayLike<number>): readonly [number, number] {
  if (data instanceof Uint8Array) return [0, 255];
  if (data instanceof Uint16Array) return [0, 65535];
  if (data instanceof Int16Array) return [-32768, 32767];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as number;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low > high ? [0, 0] : [low, high];
}

/** Pages of a TIFF by its chain of directories, which a damaged file may close to a ring. */
function countPages(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = bytes[0] === 0x49;
  const isBig = view.getUint16(2, isLittle) === 43;
  const offsetAt = (at: number): number =>
    isBig ? Number(view.getBigUint64(at, isLittle)) : view.getUint32(at, isLittle);
  const seen = new Set<number>();
  let at = offsetAt(isBig ? 8 : 4);
  while (at !== 0) {
    if (seen.has(at)) throw new Error('its directories form an endless ring');
    seen.add(at);
    const entries = isBig ? Number(view.getBigUint64(at, isLittle)) : view.getUint16(at, isLittle);
    at = offsetAt(at + (isBig ? 8 + entries * 20 : 2 + entries * 12));
  }
  if (seen.size === 0) throw new Error('it has no image');
  return seen.size;
}
