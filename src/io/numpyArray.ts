import { halfToFloat } from './half.js';

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

const TYPES: Readonly<Record<string, new (buffer: ArrayBuffer) => NpyData>> = {
  b1: Uint8Array,
  u1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  f2: Uint16Array,
  u4: Uint32Array,
  i4: Int32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f4: Float32Array,
  f8: Float64Array,
};

/**
 * The numbers of a NumPy array, in C order and this machine's byte order.
 *
 * @param bytes begins with the array's data; may be longer
 * @param dtype as NumPy writes it, e.g. `<u2`, `>f4`, `|b1`
 * @throws Error with the end of a sentence that begins with the file's name
 */
export function numpyValues(
  bytes: Uint8Array,
  dtype: string,
  shape: readonly number[],
  isFortran: boolean,
): NpyData {
  const kind = dtype.slice(1);
  const Type = TYPES[kind];
  if (Type === undefined) throw new Error(`holds ${dtype}, which is no supported number type`);
  const width = Number(kind.slice(1));
  const count = shape.reduce((a, b) => a * b, 1);
  const size = count * width;
  if (!Number.isSafeInteger(size) || size > bytes.length)
    throw new Error(`is cut short: ${bytes.length} of ${size} bytes are there`);
  const own = new Uint8Array(bytes.subarray(0, size));
  if (dtype.startsWith('>')) for (let at = 0; at < size; at += width) own.subarray(at, at + width).reverse();
  const stored = new Type(own.buffer);
  const values = kind === 'f2' ? halfToFloat(stored as Uint16Array) : stored;
  return isFortran && shape.length > 1 ? turned(values, shape) : values;
}

/** From first-axis-fastest to last-axis-fastest. */
function turned(values: NpyData, shape: readonly number[]): NpyData {
  const out = values.slice();
  const index = new Array<number>(shape.length).fill(0);
  for (let k = 0; k < values.length; k++) {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis++)
      at = at * (shape[axis] as number) + (index[axis] as number);
    out[at] = values[k] as number & bigint;
    for (let axis = 0; axis < shape.length; axis++) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
  return out;
}
