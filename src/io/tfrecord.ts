import { type FileHandle, open } from 'node:fs/promises';
import { DataError, reason } from '../core/errors.js';
import { maskedCrc32c } from './crc32c.js';

/** Where a record's data lie in its shard, without the 12 bytes before and the 4 after them. */
export interface RecordPlace {
  readonly offset: number;
  readonly length: number;
}

const HEAD = 12;
const FOOT = 4;

/**
 * Appends records to a new shard. The framing is our own, for the places of the records (shuffled reading needs them);
 * the messages inside are the `tfrecord` package's.
 */
export class RecordWriter {
  readonly #file: FileHandle;
  #end = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @param path a new file */
  static async create(path: string): Promise<RecordWriter> {
    return new RecordWriter(await open(path, 'wx'));
  }

  async write(record: Uint8Array): Promise<RecordPlace> {
    const head = Buffer.alloc(HEAD);
    head.writeBigUInt64LE(BigInt(record.length));
    head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
    const foot = Buffer.alloc(FOOT);
    foot.writeUInt32LE(maskedCrc32c(record));
    const offset = this.#end + HEAD;
    await this.#file.writev([head, record, foot]);
    this.#end = offset + record.length + FOOT;
    return { offset, length: record.length };
  }

  /** Flushes and closes. */
  async close(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
  }
}

/** An open shard; the caller closes it. */
export class RecordFile {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly size: number;

  private constructor(file: FileHandle, path: string, size: number) {
    this.#file = file;
    this.#path = path;
    this.size = size;
  }

  static async open(path: string): Promise<RecordFile> {
    try {
      const file = await open(path, 'r');
      return new RecordFile(file, path, (await file.stat()).size);
    } catch (thrown) {
      throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
    }
  }

  /** Every record's place, read from the framing alone; lengths are checked before anything is allocated. */
  async places(): Promise<RecordPlace[]> {
    const places: RecordPlace[] = [];
    for (let at = 0; at < this.size; ) {
      const place = await this.#placeAt(at);
      places.push(place);
      at = place.offset + place.length + FOOT;
    }
    return places;
  }

  /** One record's own bytes, checked. @throws DataError when the shard is damaged there */
  async read(place: RecordPlace): Promise<Uint8Array> {
    const found = await this.#placeAt(place.offset - HEAD);
    if (found.length !== place.length)
      throw this.#damaged(place.offset, `holds a record of ${found.length} bytes, not of ${place.length}`);
    const bytes = await this.#take(place.offset, place.length + FOOT);
    const record = bytes.subarray(0, place.length);
    if (bytes.readUInt32LE(place.length) !== maskedCrc32c(record))
      throw this.#damaged(place.offset, 'has a wrong checksum');
    return record;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #placeAt(at: number): Promise<RecordPlace> {
    const head = await this.#take(at, HEAD);
    if (head.readUInt32LE(8) !== maskedCrc32c(head.subarray(0, 8)))
      throw this.#damaged(at, 'is no TFRecord file, or the length there is damaged');
    const length = head.readBigUInt64LE(0);
    if (length > BigInt(this.size - at - HEAD - FOOT))
      throw this.#damaged(at, `claims a record of ${length} bytes where the file ends before`);
    return { offset: at + HEAD, length: Number(length) };
  }

  async #take(at: number, length: number): Promise<Buffer> {
    if (at < 0 || at + length > this.size) throw this.#damaged(at, 'is cut short');
    const buffer = Buffer.from(new ArrayBuffer(length)); // not the shared pool: callers keep views into it
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#file.read(buffer, done, length - done, at + done);
      if (bytesRead === 0) throw this.#damaged(at, 'ended while being read');
      done += bytesRead;
    }
    return buffer;
  }

  #damaged(at: number, what: string): DataError {
    return new DataError(`${this.#path} ${what} (byte ${at})`, {
      where: this.#path,
      fix: 'make the shard again with `cellsam prepare`, or copy it again',
    });
  }
}
