import { DataError } from '../core/errors.js';

export type NpyData =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** One array of NumPy's format, in C order, with the file's own numbers. */
export interface NpyArray {
  readonly shape: readonly number[];
  /** As NumPy writes it, e.g. `<u2`. */
  readonly dtype: string;
  readonly data: NpyData;
}

const TYPES: Readonly<Record<string, new (buffer: ArrayBuffer) => NpyData>> = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  u4: Uint32Array,
  i4: Int32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f4: Float32Array,
  f8: Float64Array,
};

/**
 * Reads an npy file (versions 1 to 3). Pickled objects, Fortran order and big-endian numbers are refused, never
 * misread.
 *
 * @throws DataError that names `where`
 */
export function readNpy(bytes: Uint8Array, where: string): NpyArray {
  const fail = (message: string, fix = 'save it again with numpy.save'): never => {
    throw new DataError(`${where} ${message}`, { where, fix });
  };
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY')
    fail('is not an npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFirst = bytes[6] === 1;
  const start = isFirst ? 10 : 12;
  const end = start + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  if (end > bytes.length) fail('ends within its header');
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, end));
  const dtype = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? fail('has no simple number type');
  const tuple = /'shape':\s*\(([\d\s,]*)\)/.exec(header)?.[1] ?? fail('has no shape');
  const shape = tuple
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const Type = TYPES[dtype.slice(1)];
  if (Type === undefined) return fail(`holds ${dtype}, which is no supported number type`);
  if (dtype.startsWith('>'))
    fail('is big-endian', 'save it with array.astype(array.dtype.newbyteorder("<"))');
  if (/'fortran_order':\s*True/.test(header) && shape.length > 1)
    fail('is in Fortran order', 'save it with numpy.ascontiguousarray');
  const count = shape.reduce((a, b) => a * b, 1);
  const size = count * Number(dtype.slice(2));
  if (end + size > bytes.length) fail(`is cut short: ${bytes.length - end} of ${size} bytes are there`);
  return { shape, dtype, data: new Type(Uint8Array.from(bytes.subarray(end, end + size)).buffer) };
}
