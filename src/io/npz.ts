import { stat } from 'node:fs/promises';
import { DataError } from '../core/errors.js';
import { type NpyHeader, readNpyHeader } from './npy.js';
import { type NpyData, numpyValues } from './numpyArray.js';
import { openZip, type ZipEntry, type ZipFile } from './zip.js';

/** A compressed array is unpacked whole, up to this size; stored ones are read frame by frame whatever their size. */
const MAX_PACKED = 2 ** 31 - 1;
const MAX_HEADER = 2 ** 16;

/** A frame of an array, without the first axis. */
export interface Frame {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: NpyData;
}

/**
 * The two arrays unpacked last (images and their labels), by file and name. They are the one thing kept between calls:
 * frames of a compressed array are asked for one by one, and each would cost unpacking all of them.
 */
let kept: readonly { readonly key: string; readonly bytes: Uint8Array }[] = [];

/** An open npz file; the caller closes it. */
export class NpzFile {
  readonly #path: string;
  readonly #zip: ZipFile;
  readonly #stamp: string;

  private constructor(path: string, zip: ZipFile, stamp: string) {
    this.#path = path;
    this.#zip = zip;
    this.#stamp = stamp;
  }

  static async open(path: string): Promise<NpzFile> {
    const zip = await openZip(path);
    const { size, mtimeMs } = await stat(path);
    return new NpzFile(path, zip, `${size}@${mtimeMs}`);
  }

  get names(): string[] {
    return [...this.#zip.entries.keys()]
      .filter((name) => name.endsWith('.npy'))
      .map((name) => name.slice(0, -4));
  }

  /** Shape and number type of an array. @throws DataError when it is missing or its header damaged */
  async header(name: string): Promise<NpyHeader> {
    const entry = this.#entry(name);
    const head =
      entry.method === 0
        ? await this.#zip.readFrame(entry, 0, Math.min(entry.size, MAX_HEADER))
        : await this.#unpacked(entry);
    return readNpyHeader(head, this.#where(name));
  }

  /** One frame: `array[index]`. */
  async frame(name: string, index: number): Promise<Frame> {
    const { shape, dtype, isFortran, start } = await this.header(name);
    const rest = shape.slice(1);
    const bytesPerFrame = rest.reduce((a, b) => a * b, Number(dtype.slice(2)));
    const where = this.#where(name);
    if (isFortran)
      throw new DataError(`${where} is in Fortran order`, {
        where,
        fix: 'save it with numpy.ascontiguousarray',
      });
    if (!(index >= 0 && index < (shape[0] ?? 0)))
      throw new DataError(`${where} has ${shape[0] ?? 0} frames, not ${index + 1}`, { where });
    const entry = this.#entry(name);
    const [from, to] = [start + index * bytesPerFrame, start + (index + 1) * bytesPerFrame];
    try {
      const bytes =
        entry.method === 0
          ? await this.#zip.readFrame(entry, from, to)
          : (await this.#unpacked(entry)).subarray(from, to);
      return { shape: rest, dtype, data: numpyValues(bytes, dtype, rest, false) };
    } catch (thrown) {
      if (thrown instanceof DataError) throw thrown;
      throw new DataError(`${where} ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
        where,
        cause: thrown,
      });
    }
  }

  async close(): Promise<void> {
    await this.#zip.close();
  }

  #entry(name: string): ZipEntry {
    const entry = this.#zip.entries.get(`${name}.npy`);
    if (entry === undefined)
      throw new DataError(`${this.#path} has no array \`${name}\``, {
        where: this.#path,
        fix: `it has ${this.names.join(', ') || 'no arrays'}`,
      });
    return entry;
  }

  async #unpacked(entry: ZipEntry): Promise<Uint8Array> {
    const key = `${this.#path}:${entry.name}:${this.#stamp}`;
    const known = kept.find((one) => one.key === key);
    if (known !== undefined) return known.bytes;
    if (entry.size > MAX_PACKED)
      throw new DataError(`${this.#path}/${entry.name} unpacks to ${entry.size} bytes`, {
        where: this.#path,
        fix: 'save it again uncompressed, `numpy.savez(new, **numpy.load(old))`: then single frames are read',
      });
    const bytes = await this.#zip.read(entry, MAX_PACKED);
    kept = [{ key, bytes }, ...kept.slice(0, 1)];
    return bytes;
  }

  #where(name: string): string {
    return `${this.#path}:${name}`;
  }
}
