/** Protobuf ends at 2 GiB: weights of more bytes than this go beside the file. */
export const LARGEST_WEIGHTS = 1.9e9;

/** Bytes from which a piece is worth a write of its own. */
const LARGE = 2 ** 16;

/**
 * Writes protobuf messages: enough for ONNX and TensorFlow, whose field numbers are frozen. Pieces are kept apart, so that weights are
 * never copied.
 */
export class Message {
  readonly pieces: Uint8Array[] = [];
  length = 0;

  int(field: number, value: number | bigint): this {
    return this.#tag(field, 0).#varint(value);
  }

  float(field: number, value: number): this {
    return this.#tag(field, 5).#push(new Uint8Array(Float32Array.of(value).buffer));
  }

  fixed32(field: number, value: number): this {
    return this.#tag(field, 5).#push(new Uint8Array(Uint32Array.of(value).buffer));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, 2).#varint(value.length).#push(value);
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, inner: Message): this {
    this.#tag(field, 2).#varint(inner.length);
    for (const piece of inner.pieces) this.#push(piece);
    return this;
  }

  ints(field: number, values: readonly number[]): this {
    const packed = new Message();
    for (const value of values) packed.#varint(value);
    return this.message(field, packed);
  }

  /** All bytes in few blocks for a file: small pieces are joined, large ones are given out as they are. */
  *blocks(): Generator<Uint8Array> {
    let small: Uint8Array[] = [];
    for (const piece of this.pieces) {
      if (piece.length < LARGE) {
        small.push(piece);
        continue;
      }
      yield Buffer.concat(small);
      small = [];
      yield piece;
    }
    yield Buffer.concat(small);
  }

  #tag(field: number, wire: number): this {
    return this.#varint(field * 8 + wire);
  }

  #varint(value: number | bigint): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    const out: number[] = [];
    do {
      out.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
      rest >>= 7n;
    } while (rest > 0n);
    return this.#push(Uint8Array.from(out));
  }

  #push(piece: Uint8Array): this {
    this.pieces.push(piece);
    this.length += piece.length;
    return this;
  }
}
