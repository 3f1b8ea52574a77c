import { DataError } from '../core/errors.js';

/** A name of a module or class that is longer than this is hostile. */
const MAX_NAME = 1000;

/** The bytes of a pickle, read from front to back; what lies past their end is refused, never allocated. */
export class PickleBytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
  }

  /** Position of the next byte. */
  get at(): number {
    return this.#at;
  }

  byte(): number {
    return this.#view.getUint8(this.take(1));
  }

  uint16(): number {
    return this.#view.getUint16(this.take(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.take(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.take(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.take(8), true));
  }

  /** Pickles hold floats big-endian, and only these. */
  float64(): number {
    return this.#view.getFloat64(this.take(8), false);
  }

  /** A signed integer of any length; a bigint where a number would round it. */
  long(length: number): number | bigint {
    const bytes = this.slice(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    if (length > 0) value = BigInt.asIntN(8 * length, value);
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value;
  }

  text(length: number): string {
    return new TextDecoder().decode(this.slice(length));
  }

  /** Text up to the end of the line, which is skipped. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0 || end - this.#at > MAX_NAME) throw this.refusal('a name has no end');
    const text = this.text(end - this.#at);
    this.take(1);
    return text;
  }

  /** A view, not a copy. */
  slice(length: number): Uint8Array {
    const from = this.take(length);
    return this.#bytes.subarray(from, from + length);
  }

  /** Skips so many bytes and gives the position before them. */
  take(length: number): number {
    const from = this.#at;
    if (!(from + length <= this.#bytes.length)) throw this.refusal('it ends too early');
    this.#at = from + length;
    return from;
  }

  /** The error that every part of the reader throws. */
  refusal(what: string): DataError {
    return new DataError(`the pickle is refused at byte ${this.#at}: ${what}`);
  }
}
