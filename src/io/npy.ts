import { DataError, reason } from '../core/errors.js';
import { type NpyData, numpyValues } from './numpyArray.js';

export type { NpyData } from './numpyArray.js';

/** One array of NumPy's format, in C order, with the file's own numbers. */
export interface NpyArray {
  readonly shape: readonly number[];
  /** As NumPy writes it, e.g. `<u2`. */
  readonly dtype: string;
  readonly data: NpyData;
}

/** What stands before the numbers. */
export interface NpyHeader {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly isFortran: boolean;
  /** Where the numbers begin. */
  readonly start: number;
}

/**
 * Reads the header of an npy file (versions 1 to 3).
 *
 * @param bytes the file, or its beginning with the whole header
 * @throws DataError that names `where`
 */
export function readNpyHeader(bytes: Uint8Array, where: string): NpyHeader {
  const fail = (message: string): never => {
    throw new DataError(`${where} ${message}`, { where, fix: 'save it again with numpy.save' });
  };
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(1, 6)) !== 'NUMPY')
    fail('is not an npy file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isFirst = bytes[6] === 1;
  const from = isFirst ? 10 : 12;
  const start = from + (isFirst ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) fail('ends within its header');
  const header = new TextDecoder('latin1').decode(bytes.subarray(from, start));
  const dtype = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? fail('has no simple number type');
  const tuple = /'shape':\s*\(([\d\s,]*)\)/.exec(header)?.[1] ?? fail('has no shape');
  const shape = tuple
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const isFortran = /'fortran_order':\s*True/.test(header) && shape.length > 1;
  return { shape, dtype, isFortran, start };
}

/**
 * Reads an npy file. Columns-first arrays are turned, big-endian numbers swapped, halves widened; pickled objects are
 * refused.
 *
 * @throws DataError that names `where`
 */
export function readNpy(bytes: Uint8Array, where: string): NpyArray {
  const { shape, dtype, isFortran, start } = readNpyHeader(bytes, where);
  try {
    return { shape, dtype, data: numpyValues(bytes.subarray(start), dtype, shape, isFortran) };
  } catch (thrown) {
    throw new DataError(`${where} ${reason(thrown)}`, {
      where,
      fix: 'save it again with numpy.save',
      cause: thrown,
    });
  }
}
