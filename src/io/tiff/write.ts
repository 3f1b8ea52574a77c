import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { deflate } from 'node:zlib';

const compress = promisify(deflate);

export interface TiffSettings {
  readonly height: number;
  readonly width: number;
  /** Bits of a pixel. */
  readonly bits: 8 | 16 | 32;
  /** Side of a tile, a multiple of 16. */
  readonly tile: number;
  /** Micrometres per pixel. */
  readonly pixelSizeUm?: readonly [y: number, x: number] | undefined;
}

/** TIFF's field types that are used here. */
const short = 3;
const long = 4;
const rational = 5;
const long8 = 16;

interface Field {
  readonly tag: number;
  readonly type: number;
  readonly values: readonly number[];
}

/**
 * Writes a one-channel tiled TIFF, zlib-compressed, tile by tile in any order; only the table of tiles is held. The
 * file becomes a BigTIFF where its pixels would take more than 3.5 GB. Tiles that were not written read as zeros.
 */
export class TiffWriter {
  readonly across: number;
  readonly down: number;
  readonly #settings: TiffSettings;
  readonly #file: FileHandle;
  readonly #isBig: boolean;
  readonly #offsets: number[];
  readonly #sizes: number[];
  #end: number;
  #gathered: Uint32Array | undefined;

  private constructor(file: FileHandle, settings: TiffSettings) {
    const { height, width, bits, tile } = settings;
    this.#file = file;
    this.#settings = settings;
    this.across = Math.max(1, Math.ceil(width / tile));
    this.down = Math.max(1, Math.ceil(height / tile));
    this.#isBig = (height * width * bits) / 8 > 3.5e9;
    this.#end = this.#isBig ? 16 : 8;
    this.#offsets = new Array<number>(this.across * this.down).fill(0);
    this.#sizes = new Array<number>(this.across * this.down).fill(0);
  }

  /** @param path a new file */
  static async create(path: string, settings: TiffSettings): Promise<TiffWriter> {
    return new TiffWriter(await open(path, 'wx'), settings);
  }

  /**
   * Writes one tile.
   *
   * @param index row by row from the top left
   * @param pixels `[tile, tile]`; what lies beyond the image is ignored by readers
   */
  async writeTile(index: number, pixels: ArrayLike<number>): Promise<void> {
    const packed = await compress(this.#bytesOf(pixels), { level: 3 });
    await this.#file.write(packed, 0, packed.length, this.#end);
    this.#offsets[index] = this.#end;
    this.#sizes[index] = packed.length;
    this.#end += packed.length + (packed.length % 2);
  }

  /** Writes a whole image `[height, width]`. */
  async writeImage(pixels: ArrayLike<number>): Promise<void> {
    const { height, width, tile } = this.#settings;
    for (let index = 0; index < this.across * this.down; index++) {
      const y0 = Math.floor(index / this.across) * tile;
      const x0 = (index % this.across) * tile;
      const part = new Uint32Array(tile * tile);
      for (let y = y0; y < Math.min(height, y0 + tile); y++)
        for (let x = x0; x < Math.min(width, x0 + tile); x++)
          part[(y - y0) * tile + x - x0] = pixels[y * width + x] as number;
      await this.writeTile(index, part);
    }
  }

  /**
   * Writes rows `[any, width]` of the image from top to bottom; every row once. Rows of a tile are gathered.
   *
   * @param y0 where they start: where the rows before ended
   */
  async writeRows(y0: number, rows: ArrayLike<number>): Promise<void> {
    const { height, width, tile } = this.#settings;
    const count = rows.length / width;
    for (let done = 0; done < count; ) {
      const y = y0 + done;
      const inTile = y % tile;
      const n = Math.min(tile - inTile, count - done);
      this.#gathered ??= new Uint32Array(tile * width);
      for (let k = 0; k < n * width; k++)
        this.#gathered[inTile * width + k] = rows[done * width + k] as number;
      done += n;
      if (inTile + n === tile || y + n === height) await this.#writeGathered(Math.floor(y / tile));
    }
  }

  async #writeGathered(row: number): Promise<void> {
    const { width, tile } = this.#settings;
    const from = this.#gathered ?? new Uint32Array(tile * width);
    for (let column = 0; column < this.across; column++) {
      const part = new Uint32Array(tile * tile);
      const x0 = column * tile;
      const n = Math.min(tile, width - x0);
      for (let y = 0; y < tile; y++) part.set(from.subarray(y * width + x0, y * width + x0 + n), y * tile);
      await this.writeTile(row * this.across + column, part);
    }
    from.fill(0);
  }

  /** Writes the directory and closes the file. */
  async close(): Promise<void> {
    try {
      const { tile } = this.#settings;
      for (let i = 0; i < this.#sizes.length; i++)
        if (this.#sizes[i] === 0) await this.writeTile(i, new Uint32Array(tile * tile));
      await this.#writeDirectory();
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  /** Closes without a directory, after a failure. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  #bytesOf(pixels: ArrayLike<number>): Uint8Array {
    const { bits } = this.#settings;
    const typed =
      bits === 8
        ? Uint8Array.from(pixels)
        : bits === 16
          ? Uint16Array.from(pixels)
          : Uint32Array.from(pixels);
    return new Uint8Array(typed.buffer);
  }

  #fields(): Field[] {
    const { height, width, bits, tile, pixelSizeUm } = this.#settings;
    const pointer = this.#isBig ? long8 : long;
    const fields: Field[] = [
      { tag: 256, type: long, values: [width] },
      { tag: 257, type: long, values: [height] },
      { tag: 258, type: short, values: [bits] },
      { tag: 259, type: short, values: [8] }, // zlib
      { tag: 262, type: short, values: [1] }, // black is zero
      { tag: 277, type: short, values: [1] },
      { tag: 284, type: short, values: [1] },
      { tag: 322, type: long, values: [tile] },
      { tag: 323, type: long, values: [tile] },
      { tag: 324, type: pointer, values: this.#offsets },
      { tag: 325, type: pointer, values: this.#sizes },
      { tag: 339, type: short, values: [1] }, // unsigned integers
    ];
    if (pixelSizeUm !== undefined) {
      const perCm = (um: number): number[] => [Math.round(1e8), Math.max(1, Math.round(um * 1e4))];
      fields.push({ tag: 282, type: rational, values: perCm(pixelSizeUm[1]) });
      fields.push({ tag: 283, type: rational, values: perCm(pixelSizeUm[0]) });
      fields.push({ tag: 296, type: short, values: [3] }); // centimetres
    }
    return fields.sort((a, b) => a.tag - b.tag);
  }

  async #writeDirectory(): Promise<void> {
    const start = this.#end;
    const bytes = directoryBytes(this.#fields(), start, this.#isBig);
    await this.#file.write(bytes, 0, bytes.length, start);
    const header = Buffer.alloc(this.#isBig ? 16 : 8);
    header.write('II', 0, 'latin1');
    header.writeUInt16LE(this.#isBig ? 43 : 42, 2);
    if (this.#isBig) {
      header.writeUInt16LE(8, 4);
      header.writeBigUInt64LE(BigInt(start), 8);
    } else {
      header.writeUInt32LE(start, 4);
    }
    await this.#file.write(header, 0, header.length, 0);
  }
}

/** The directory and, behind it, the values that do not fit into their entries. */
function directoryBytes(fields: readonly Field[], start: number, isBig: boolean): Buffer {
  const entrySize = isBig ? 20 : 12;
  const countSize = isBig ? 8 : 2;
  const inline = isBig ? 8 : 4;
  const table = Buffer.alloc(countSize + fields.length * entrySize + inline);
  const extra: Buffer[] = [];
  let extraAt = start + table.length;
  if (isBig) table.writeBigUInt64LE(BigInt(fields.length), 0);
  else table.writeUInt16LE(fields.length, 0);
  for (const [i, field] of fields.entries()) {
    const at = countSize + i * entrySize;
    const values = valueBytes(field);
    const count = field.type === rational ? field.values.length / 2 : field.values.length;
    table.writeUInt16LE(field.tag, at);
    table.writeUInt16LE(field.type, at + 2);
    if (isBig) table.writeBigUInt64LE(BigInt(count), at + 4);
    else table.writeUInt32LE(count, at + 4);
    const place = at + entrySize - inline;
    if (values.length <= inline) {
      values.copy(table, place);
      continue;
    }
    if (isBig) table.writeBigUInt64LE(BigInt(extraAt), place);
    else table.writeUInt32LE(extraAt, place);
    extra.push(values);
    extraAt += values.length;
  }
  return Buffer.concat([table, ...extra]);
}

function valueBytes({ type, values }: Field): Buffer {
  if (type === long8) return Buffer.from(BigUint64Array.from(values, BigInt).buffer);
  if (type === short) return Buffer.from(Uint16Array.from(values).buffer);
  return Buffer.from(Uint32Array.from(values).buffer);
}
