import { inflateSync } from 'node:zlib';
import { DataError, reason } from '../core/errors.js';

/** A numeric matrix of a MATLAB file in C order (last axis fastest). */
export interface MatArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const MATRIX = 14;
const COMPRESSED = 15;
/** A matrix may unpack to this many bytes. */
const MAX_BYTES = 2 ** 30;
/** MATLAB's classes of numeric arrays: double to uint64. */
const FIRST_NUMERIC = 6;
const LAST_NUMERIC = 15;

type Reader = (view: DataView, at: number, isLittle: boolean) => number;
/** Element types as stored: `[bytes, reader]`. */
const STORED: Readonly<Record<number, readonly [size: number, read: Reader]>> = {
  1: [1, (v, at) => v.getInt8(at)],
  2: [1, (v, at) => v.getUint8(at)],
  3: [2, (v, at, le) => v.getInt16(at, le)],
  4: [2, (v, at, le) => v.getUint16(at, le)],
  5: [4, (v, at, le) => v.getInt32(at, le)],
  6: [4, (v, at, le) => v.getUint32(at, le)],
  7: [4, (v, at, le) => v.getFloat32(at, le)],
  9: [8, (v, at, le) => v.getFloat64(at, le)],
  12: [8, (v, at, le) => Number(v.getBigInt64(at, le))],
  13: [8, (v, at, le) => Number(v.getBigUint64(at, le))],
};

/**
 * Reads the numeric matrices of a MATLAB 5 to 7 file; cells, structs, texts and sparse matrices are passed over.
 *
 * @throws DataError naming `where`; for MATLAB 7.3 with the way to save it again
 */
export function readMat(bytes: Uint8Array, where: string): ReadonlyMap<string, MatArray> {
  const fail = (what: string, fix = 'copy it again, or save it with `save -v7`'): never => {
    throw new DataError(`${where} ${what}`, { where, fix });
  };
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 116));
  if (head.startsWith('MATLAB 7.3') || head.startsWith('\x89HDF'))
    fail(
      'is a MATLAB 7.3 (HDF5) file',
      'save it in MATLAB with `save -v7`, or in Python with scipy.io.savemat',
    );
  if (bytes.length < 128 || !head.startsWith('MATLAB 5')) fail('is no MATLAB 5 file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = bytes[126] === 0x49;
  const arrays = new Map<string, MatArray>();
  try {
    readAll(view, 128, isLittle, arrays, true);
  } catch (thrown) {
    fail(`is damaged: ${reason(thrown)}`);
  }
  return arrays;
}

function readAll(
  view: DataView,
  start: number,
  isLittle: boolean,
  arrays: Map<string, MatArray>,
  mayUnpack: boolean,
): void {
  for (let at = start; at + 8 <= view.byteLength; ) {
    const element = elementAt(view, at, isLittle);
    if (element.type === COMPRESSED && mayUnpack) {
      const packed = new Uint8Array(view.buffer, view.byteOffset + element.start, element.size);
      const inner = inflateSync(packed, { maxOutputLength: MAX_BYTES });
      readAll(new DataView(inner.buffer, inner.byteOffset, inner.byteLength), 0, isLittle, arrays, false);
      at = element.start + element.size; // compressed elements are not padded
    } else {
      if (element.type === MATRIX && element.size > 0) addMatrix(view, element, isLittle, arrays);
      at = element.next;
    }
  }
}

interface Element {
  readonly type: number;
  readonly start: number;
  readonly size: number;
  readonly next: number;
}

function elementAt(view: DataView, at: number, isLittle: boolean): Element {
  const first = view.getUint32(at, isLittle);
  const isSmall = first >>> 16 !== 0;
  const [type, size, start] = isSmall
    ? [first & 0xffff, first >>> 16, at + 4]
    : [first, view.getUint32(at + 4, isLittle), at + 8];
  if (start + size > view.byteLength) throw new Error(`an element at byte ${at} reaches past the end`);
  return { type, start, size, next: isSmall ? at + 8 : start + Math.ceil(size / 8) * 8 };
}

function addMatrix(view: DataView, matrix: Element, isLittle: boolean, arrays: Map<string, MatArray>): void {
  const flags = elementAt(view, matrix.start, isLittle);
  const kind = view.getUint32(flags.start, isLittle) & 0xff;
  const dimensions = elementAt(view, flags.next, isLittle);
  const name = elementAt(view, dimensions.next, isLittle);
  if (kind < FIRST_NUMERIC || kind > LAST_NUMERIC) return;
  const shape = Array.from({ length: dimensions.size / 4 }, (_, i) =>
    view.getInt32(dimensions.start + i * 4, isLittle),
  );
  const real = elementAt(view, name.next, isLittle);
  const [bytes, read] = STORED[real.type] ?? [];
  const count = shape.reduce((a, b) => a * b, 1);
  if (bytes === undefined || read === undefined)
    throw new Error(`numbers of type ${real.type} are not known`);
  if (shape.some((n) => n < 0) || count * bytes !== real.size)
    throw new Error(`${shape.join(' x ')} values do not fit ${real.size} bytes`);
  const title = new TextDecoder().decode(
    new Uint8Array(view.buffer, view.byteOffset + name.start, name.size),
  );
  const data = new Float64Array(count);
  const index = new Array<number>(shape.length).fill(0);
  for (let k = 0; k < count; k++) {
    let at = 0; // the first axis is the fastest in the file, the last one here
    for (let axis = 0; axis < shape.length; axis++)
      at = at * (shape[axis] as number) + (index[axis] as number);
    data[at] = read(view, real.start + k * bytes, isLittle);
    for (let axis = 0; axis < shape.length; axis++) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
  arrays.set(title, { shape, data });
}
