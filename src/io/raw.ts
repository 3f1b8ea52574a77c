import { DataError, reason } from '../core/errors.js';

/** An array as its file holds it: nothing scaled, clipped or reordered. */
export interface RawImage {
  /** Sizes, slowest axis first. */
  readonly shape: readonly number[];
  /**
   * What each axis is: `t` time, `z` depth, `c` channels plane by plane, `q` pages of which the file does not say what
   * they are, `y`, `x`, and `s` samples beside each other. `y` and `x` occur once each.
   */
  readonly axes: string;
  readonly data: ArrayLike<number>;
  /** The values that the file's number type can hold; of floats and 32-bit integers, the values found. */
  readonly range: readonly [low: number, high: number];
  /** Names of the channels, where the file tells them. */
  readonly channels?: readonly string[];
  /** The last sample is opacity. */
  readonly hasAlpha?: boolean;
  /** The samples are red, green and blue. */
  readonly isColour?: boolean;
  /** Micrometres per pixel, where the file tells it. */
  readonly pixelSizeUm?: readonly [y: number, x: number];
}

/** A larger image is refused before its pixels are allocated. */
export const MAX_VALUES = 2 ** 29;

/** @throws DataError when a header claims more values than are ever read at once */
export function checkSize(shape: readonly number[], where: string): void {
  const count = shape.reduce((a, b) => a * b, 1);
  if (!shape.every((n) => Number.isSafeInteger(n) && n > 0) || count > MAX_VALUES)
    throw new DataError(`${where} claims ${shape.join(' x ')} values`, {
      where,
      fix: 'cut it into tiles or planes; a claim of nothing or of too much is a damaged file',
    });
}

/** What the number type can hold; for floats and 32-bit integers, the smallest and largest value found. */
export function rangeOf(data: ArrayLike<number>): readonly [number, number] {
  if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) return [0, 255];
  if (data instanceof Int8Array) return [-128, 127];
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

/** Runs a reader of ours or a library's; whatever it throws names the file. */
export async function readingOf<T>(where: string, fix: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof DataError) throw thrown;
    throw new DataError(`${where} cannot be read: ${reason(thrown)}`, { where, fix, cause: thrown });
  }
}
