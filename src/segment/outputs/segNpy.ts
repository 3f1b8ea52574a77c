import { writeFile } from 'node:fs/promises';
import { colourOf, outlineMask } from '../../image/draw.js';
import type { Output } from './output.js';

/** The file that Cellpose's window opens beside an image: a pickled dictionary in an npy file. */
export const segNpy: Output = {
  suffix: '_seg.npy',
  about: 'labels and outlines for Cellpose (npy)',
  async write({ cells, fileName }, path) {
    const { height, width, data, count } = cells.labels;
    const dtype = count > 65535 ? 'u4' : 'u2';
    const mask = outlineMask(cells.labels);
    const outlines = data.map((label, i) => (mask[i] === 1 ? label : 0));
    const integers = (values: Uint32Array): Uint8Array =>
      bytes(dtype === 'u4' ? values : Uint16Array.from(values));
    const colours = Uint8Array.from(Array.from({ length: count }, (_, i) => colourOf(i + 1)).flat());
    const pickle = new Pickle();
    pickle.object(() =>
      pickle.dictionary([
        ['filename', () => pickle.text(fileName)],
        ['masks', () => pickle.array([height, width], dtype, integers(data))],
        ['outlines', () => pickle.array([height, width], dtype, integers(outlines))],
        ['colors', () => pickle.array([count, 3], 'u1', colours)],
        ['ismanual', () => pickle.array([count], 'b1', new Uint8Array(count))],
        ['manual_changes', () => pickle.emptyList()],
        ['chan_choose', () => pickle.integers([0, 0])],
        ['flows', () => pickle.emptyList()],
        ['est_diam', () => pickle.real(diameter(data, count))],
      ]),
    );
    await writeFile(path, Buffer.concat([npyHead(), pickle.finish()]));
  },
};

/** Of a circle with the mean area of a cell; 30 without cells, Cellpose's own start. */
function diameter(data: Uint32Array, count: number): number {
  const pixels = data.reduce((n, label) => n + (label > 0 ? 1 : 0), 0);
  return count === 0 ? 30 : 2 * Math.sqrt(pixels / count / Math.PI);
}

function bytes(values: Uint16Array | Uint32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Of an array without dimensions that holds one Python object. */
function npyHead(): Buffer {
  const text = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
  const padded = `${text.padEnd(128 - 10 - 1)}\n`;
  return Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
    uint16(padded.length),
    Buffer.from(padded),
  ]);
}

function uint16(value: number): Buffer {
  return Buffer.from(Uint16Array.of(value).buffer);
}

function uint32(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

/** Writes Python's pickle, protocol 3, for dictionaries of numpy arrays and simple values. */
class Pickle {
  readonly #parts: Buffer[] = [Buffer.of(0x80, 3)];

  dictionary(entries: readonly (readonly [key: string, value: () => void])[]): void {
    this.#op('}(');
    for (const [key, value] of entries) {
      this.text(key);
      value();
    }
    this.#op('u');
  }

  text(value: string): void {
    const utf8 = Buffer.from(value);
    this.#parts.push(Buffer.from('X'), uint32(utf8.length), utf8);
  }

  integer(value: number): void {
    this.#parts.push(Buffer.from('J'), Buffer.from(Int32Array.of(value).buffer));
  }

  real(value: number): void {
    const big = Buffer.alloc(9);
    big.write('G', 0, 'latin1');
    big.writeDoubleBE(value, 1);
    this.#parts.push(big);
  }

  integers(values: readonly number[]): void {
    this.#op('](');
    for (const value of values) this.integer(value);
    this.#op('e');
  }

  emptyList(): void {
    this.#op(']');
  }

  /** @param data little-endian, row-major */
  array(shape: readonly number[], dtype: 'u1' | 'u2' | 'u4' | 'b1', data: Uint8Array): void {
    this.#ndarray(shape, dtype, () => this.#raw(data));
  }

  /** numpy's array without dimensions around one Python object. */
  object(value: () => void): void {
    this.#ndarray([], 'O8', () => {
      this.#op('](');
      value();
      this.#op('e');
    });
  }

  #ndarray(shape: readonly number[], dtype: string, content: () => void): void {
    this.#op('cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(');
    this.integer(0);
    this.#op('t');
    this.#raw(Buffer.from('b'));
    this.#op('tR(');
    this.integer(1);
    this.#op('(');
    for (const size of shape) this.integer(size);
    this.#op('tcnumpy\ndtype\n(');
    this.text(dtype);
    this.#op('\x89\x88tR(');
    this.integer(3);
    this.text(dtype === 'u2' || dtype === 'u4' ? '<' : '|');
    this.#op('NNN');
    for (const value of [-1, -1, dtype === 'O8' ? 63 : 0]) this.integer(value);
    this.#op('tb\x89');
    content();
    this.#op('tb');
  }

  finish(): Buffer {
    this.#op('.');
    return Buffer.concat(this.#parts);
  }

  #op(codes: string): void {
    this.#parts.push(Buffer.from(codes, 'latin1'));
  }

  #raw(data: Uint8Array): void {
    this.#parts.push(Buffer.from('B'), uint32(data.length), Buffer.from(data));
  }
}
