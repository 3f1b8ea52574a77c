import { type FileHandle, open } from 'node:fs/promises';
import { crc32, inflateRawSync } from 'node:zlib';
import { DataError, reason } from '../core/errors.js';
import { readExactly } from './readExactly.js';

const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const FULL32 = 0xffffffff;
const MAX_DIRECTORY = 64 << 20;
/** Deflate cannot shrink by more than this; a larger claim is a lie. */
const MAX_RATIO = 1100;
/** Bytes that are looked at together where only their checksum is wanted. */
const CHUNK = 16 << 20;

/** One file in an archive. */
export interface ZipEntry {
  readonly name: string;
  readonly size: number;
  readonly compressedSize: number;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly crc: number;
  readonly headerOffset: number;
}

/** An open archive; entries are read on demand. The caller closes it. */
export class ZipFile {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #checked = new Set<ZipEntry>();

  constructor(path: string, file: FileHandle, entries: ReadonlyMap<string, ZipEntry>) {
    this.#path = path;
    this.#file = file;
    this.entries = entries;
  }

  /**
   * The bytes of one entry, checked against its CRC.
   *
   * @param maxBytes refuses entries that unpack to more, before anything is allocated
   * @throws DataError when the entry is too large, compressed in an unknown way, or damaged
   */
  async read(entry: ZipEntry, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const where = `${this.#path}/${entry.name}`;
    if (entry.size > maxBytes)
      throw damaged(where, `it unpacks to ${entry.size} bytes; at most ${maxBytes} are expected`);
    const start = await this.#start(entry, where);
    const packed = await take(this.#file, entry.compressedSize, start, where);
    let bytes: Uint8Array<ArrayBuffer> = packed;
    if (entry.method === 8) {
      try {
        bytes = inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.size) });
      } catch (thrown) {
        throw damaged(where, `it cannot be unpacked (${reason(thrown)})`, thrown);
      }
    } else if (entry.method !== 0)
      throw damaged(where, `its compression method ${entry.method} is not known`);
    if (bytes.length !== entry.size)
      throw damaged(where, `it holds ${bytes.length} bytes, the directory says ${entry.size}`);
    if (crc32(bytes) !== entry.crc) throw damaged(where, 'its checksum is wrong');
    return bytes;
  }

  /**
   * A part of a stored entry without a look at its checksum: for single frames of arrays of many gigabytes.
   *
   * @throws DataError when the entry is compressed or shorter
   */
  async readFrame(entry: ZipEntry, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
    const where = `${this.#path}/${entry.name}`;
    if (entry.method !== 0 || to > entry.size)
      throw damaged(where, `bytes ${from} to ${to} of its ${entry.size} cannot be read alone`);
    const start = await this.#start(entry, where);
    return readExactly(this.#file, to - from, start + from, (what) => damaged(where, what));
  }

  /**
   * A part of a stored entry, in a buffer of its own. The entry's checksum is looked at once, chunk by chunk, so that no
   * more than the part is held.
   *
   * @throws DataError when the entry is compressed, damaged, or shorter
   */
  async readPart(entry: ZipEntry, from: number, to: number): Promise<Uint8Array<ArrayBuffer>> {
    const where = `${this.#path}/${entry.name}`;
    if (entry.method !== 0 || entry.compressedSize !== entry.size)
      throw damaged(where, 'it is compressed, and only stored entries are read in parts');
    if (from === 0 && to === entry.size) return this.read(entry, entry.size);
    const start = await this.#start(entry, where);
    if (!this.#checked.has(entry)) {
      let sum = 0;
      for (let at = 0; at < entry.size; at += CHUNK)
        sum = crc32(await take(this.#file, Math.min(CHUNK, entry.size - at), start + at, where), sum);
      if (sum !== entry.crc) throw damaged(where, 'its checksum is wrong');
      this.#checked.add(entry);
    }
    if (to > entry.size) throw damaged(where, `byte ${to} lies outside its ${entry.size}`);
    return readExactly(this.#file, to - from, start + from, (what) => damaged(where, what));
  }

  /** Where an entry's bytes begin. */
  async #start(entry: ZipEntry, where: string): Promise<number> {
    const head = await take(this.#file, 30, entry.headerOffset, where);
    if (head.readUInt32LE(0) !== LOCAL) throw damaged(where, 'its header is not where the directory says');
    return entry.headerOffset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Opens an archive and reads its directory (zip64 included). Names that leave the folder, overlapping entries and
 * impossible sizes are refused.
 *
 * @throws DataError when the file is not a sound zip archive
 */
export async function openZip(path: string): Promise<ZipFile> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'check the path',
      cause: thrown,
    });
  });
  try {
    const { size } = await file.stat();
    const directory = await locate(file, size, path);
    return new ZipFile(path, file, await readDirectory(file, directory, size, path));
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

interface Directory {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

async function locate(file: FileHandle, size: number, path: string): Promise<Directory> {
  const tailSize = Math.min(size, 65_557);
  const tail = await take(file, tailSize, size - tailSize, path);
  let at = tail.length - 22;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  if (at < 0) throw damaged(path, 'its end is missing: not a zip archive, or cut off');
  const plain = {
    offset: tail.readUInt32LE(at + 16),
    size: tail.readUInt32LE(at + 12),
    count: tail.readUInt16LE(at + 10),
  };
  const locatorAt = size - tailSize + at - 20;
  if (locatorAt < 0) return plain;
  const locator = await take(file, 20, locatorAt, path);
  if (locator.readUInt32LE(0) !== LOCATOR64) return plain;
  const end = await take(file, 56, safe(locator.readBigUInt64LE(8), path), path);
  if (end.readUInt32LE(0) !== END64) throw damaged(path, 'its zip64 directory is not where it should be');
  return {
    offset: safe(end.readBigUInt64LE(48), path),
    size: safe(end.readBigUInt64LE(40), path),
    count: safe(end.readBigUInt64LE(32), path),
  };
}

async function readDirectory(file: FileHandle, d: Directory, fileSize: number, path: string) {
  if (d.size > MAX_DIRECTORY || d.offset + d.size > fileSize || d.count * 46 > d.size)
    throw damaged(path, `its directory claims ${d.count} entries in ${d.size} bytes`);
  const bytes = await take(file, d.size, d.offset, path);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < d.count; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== CENTRAL)
      throw damaged(path, 'its directory is damaged');
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > bytes.length) throw damaged(path, 'its directory is cut off');
    const entry = directoryEntry(bytes, at, nameEnd, extraEnd, path);
    if (entries.has(entry.name)) throw damaged(path, `\`${entry.name}\` is there twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  checkRanges([...entries.values()], d.offset, path);
  return entries;
}

function directoryEntry(
  bytes: Buffer,
  at: number,
  nameEnd: number,
  extraEnd: number,
  path: string,
): ZipEntry {
  const name = bytes.toString('utf8', at + 46, nameEnd);
  if (/(^|[/\\])\.\.([/\\]|$)|^[/\\]|^[a-z]:|\0/i.test(name))
    throw damaged(path, `the name \`${name}\` leads out of the archive`);
  const sizes = [bytes.readUInt32LE(at + 24), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)];
  let extra = nameEnd;
  while (extra + 4 <= extraEnd) {
    const end = extra + 4 + bytes.readUInt16LE(extra + 2);
    if (bytes.readUInt16LE(extra) === 1) {
      let value = extra + 4;
      for (let k = 0; k < 3; k++) {
        if (sizes[k] !== FULL32) continue;
        if (value + 8 > Math.min(end, extraEnd)) throw damaged(path, `the sizes of \`${name}\` are cut off`);
        sizes[k] = safe(bytes.readBigUInt64LE(value), path);
        value += 8;
      }
    }
    extra = end;
  }
  const [size = 0, compressedSize = 0, headerOffset = 0] = sizes;
  const method = bytes.readUInt16LE(at + 10);
  if (size > compressedSize * (method === 0 ? 1 : MAX_RATIO) + 64)
    throw damaged(path, `\`${name}\` claims ${size} bytes out of ${compressedSize}`);
  return { name, size, compressedSize, method, crc: bytes.readUInt32LE(at + 16), headerOffset };
}

function checkRanges(entries: ZipEntry[], end: number, path: string): void {
  let before = 0;
  for (const entry of entries.sort((a, b) => a.headerOffset - b.headerOffset)) {
    if (entry.headerOffset < before) throw damaged(path, `\`${entry.name}\` overlaps the entry before it`);
    before = entry.headerOffset + 30 + entry.compressedSize;
  }
  if (before > end) throw damaged(path, 'an entry reaches into the directory');
}

async function take(
  file: FileHandle,
  length: number,
  position: number,
  where: string,
): Promise<Buffer<ArrayBuffer>> {
  return Buffer.from((await readExactly(file, length, position, (what) => damaged(where, what))).buffer);
}

function safe(value: bigint, path: string): number {
  if (value > 2n ** 52n) throw damaged(path, `it claims an offset or size of ${value} bytes`);
  return Number(value);
}

function damaged(where: string, what: string, cause?: unknown): DataError {
  return new DataError(`${where} is not sound: ${what}`, {
    where,
    fix: 'download or save the file again',
    cause,
  });
}
