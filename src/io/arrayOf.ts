import type { ArrayInfo, NamedArray } from '../core/arrays.js';
import { bfloatToFloat, halfToFloat } from './half.js';

/** Bytes of one element as stored. */
export const ELEMENT_BYTES: Readonly<Record<ArrayInfo['stored'], number>> = {
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  uint16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** What reading makes of an element type: the two half-width formats are widened. */
export function readAs(stored: ArrayInfo['stored']): NamedArray['dtype'] {
  return stored === 'float16' || stored === 'bfloat16' ? 'float32' : stored;
}

/** Little-endian bytes as an array; only the half-width formats are copied. @param bytes own a buffer that starts with them */
export function arrayOf(
  { buffer, byteLength }: Uint8Array<ArrayBuffer>,
  shape: readonly number[],
  stored: ArrayInfo['stored'],
): NamedArray {
  const count = byteLength / ELEMENT_BYTES[stored];
  switch (stored) {
    case 'float16':
      return { shape, dtype: 'float32', data: halfToFloat(new Uint16Array(buffer, 0, count)) };
    case 'bfloat16':
      return { shape, dtype: 'float32', data: bfloatToFloat(new Uint16Array(buffer, 0, count)) };
    case 'float32':
      return { shape, dtype: stored, data: new Float32Array(buffer, 0, count) };
    case 'float64':
      return { shape, dtype: stored, data: new Float64Array(buffer, 0, count) };
    case 'int64':
      return { shape, dtype: stored, data: new BigInt64Array(buffer, 0, count) };
    case 'int32':
      return { shape, dtype: stored, data: new Int32Array(buffer, 0, count) };
    case 'int16':
      return { shape, dtype: stored, data: new Int16Array(buffer, 0, count) };
    case 'uint16':
      return { shape, dtype: stored, data: new Uint16Array(buffer, 0, count) };
    case 'int8':
      return { shape, dtype: stored, data: new Int8Array(buffer, 0, count) };
    default:
      return { shape, dtype: stored, data: new Uint8Array(buffer, 0, count) };
  }
}
