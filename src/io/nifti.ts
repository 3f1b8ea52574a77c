import { gunzipSync } from 'node:zlib';
import { checkSize, MAX_VALUES, type RawImage, rangeOf, readingOf } from './raw.js';

/** NIfTI's letters, slowest axis last in the header: x, y, z, t. */
const AXES = ['x', 'y', 'z', 't', 'c'];
const MICROMETRES: Readonly<Record<number, number>> = { 1: 1e6, 2: 1e3, 3: 1 };

/**
 * Reads a NIfTI-1 or 2 volume, gzipped or not, with its slope and intercept applied. Rows are y as stored, the first
 * axis of the file is x: `array[x, y, z]` of nibabel is here `[z, y, x]`.
 *
 * @throws DataError naming `where`
 */
export function readNifti(bytes: Uint8Array, where: string): Promise<RawImage> {
  return readingOf(where, 'the file is damaged; copy it again', async () => {
    const nifti = await import('nifti-reader-js');
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const plain = isPacked ? gunzipSync(bytes, { maxOutputLength: MAX_VALUES * 4 }) : bytes;
    const buffer = new Uint8Array(plain).buffer;
    if (!nifti.isNIFTI(buffer)) throw new Error('it is no NIfTI file');
    const header = nifti.readHeader(buffer);
    if (header === null) throw new Error('its header is damaged');
    const rank = header.dims[0] ?? 0;
    const sizes = header.dims.slice(1, 1 + rank);
    while (sizes.length > 2 && sizes.at(-1) === 1) sizes.pop();
    if (sizes.length < 2 || sizes.length > AXES.length) throw new Error(`it has ${rank} axes`);
    checkSize(sizes, where);
    const stored = numbers(nifti.readImage(header, buffer), header, sizes);
    const slope = header.scl_slope;
    const isScaled = slope !== 0 && Number.isFinite(slope) && (slope !== 1 || header.scl_inter !== 0);
    const data = isScaled ? Float64Array.from(stored, (value) => value * slope + header.scl_inter) : stored;
    const unit = MICROMETRES[header.xyzt_units & 7];
    const [, dx = 0, dy = 0] = header.pixDims;
    return {
      shape: sizes.slice().reverse(),
      axes: AXES.slice(0, sizes.length).reverse().join(''),
      data,
      range: rangeOf(data),
      ...(unit !== undefined && dx > 0 && dy > 0 && { pixelSizeUm: [dy * unit, dx * unit] as const }),
    };
  });
}

type Read = (view: DataView, at: number, isLittle: boolean) => number;
const TYPES: Readonly<Record<number, readonly [size: number, read: Read, make: (n: number) => Numbers]>> = {
  2: [1, (v, at) => v.getUint8(at), (n) => new Uint8Array(n)],
  4: [2, (v, at, le) => v.getInt16(at, le), (n) => new Int16Array(n)],
  8: [4, (v, at, le) => v.getInt32(at, le), (n) => new Int32Array(n)],
  16: [4, (v, at, le) => v.getFloat32(at, le), (n) => new Float32Array(n)],
  64: [8, (v, at, le) => v.getFloat64(at, le), (n) => new Float64Array(n)],
  256: [1, (v, at) => v.getInt8(at), (n) => new Int8Array(n)],
  512: [2, (v, at, le) => v.getUint16(at, le), (n) => new Uint16Array(n)],
  768: [4, (v, at, le) => v.getUint32(at, le), (n) => new Uint32Array(n)],
  1024: [8, (v, at, le) => Number(v.getBigInt64(at, le)), (n) => new Float64Array(n)],
  1280: [8, (v, at, le) => Number(v.getBigUint64(at, le)), (n) => new Float64Array(n)],
};
type Numbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

function numbers(
  raw: ArrayBuffer,
  header: { datatypeCode: number; littleEndian: boolean },
  sizes: readonly number[],
): Numbers {
  const [size, read, make] = TYPES[header.datatypeCode] ?? [];
  if (size === undefined || read === undefined || make === undefined)
    throw new Error(`its number type ${header.datatypeCode} is not read (colours and complex numbers)`);
  const count = sizes.reduce((a, b) => a * b, 1);
  if (raw.byteLength < count * size) throw new Error('it is cut short');
  const view = new DataView(raw);
  const out = make(count);
  for (let i = 0; i < count; i++) out[i] = read(view, i * size, header.littleEndian);
  return out;
}
