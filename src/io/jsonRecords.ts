import { type FileHandle, open } from 'node:fs/promises';
import { DataError, reason } from '../core/errors.js';
import { readExactly } from './readExactly.js';

/** A value inside a JSON file: where its first byte is and how long it is. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

const CHUNK = 1 << 22;
const MAX_DEPTH = 64;
const [QUOTE, ESCAPE, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Called with every record, in the file's order. */
export type Visit = (key: string, record: unknown, place: Place) => void;

/**
 * Visits the records of a JSON file of any size, holding one at a time: of the object at its top, the objects in the lists
 * (or in the objects) under the wanted keys.
 *
 * @throws DataError when the file is no such JSON, is nested too deep, or is cut short
 */
export async function visitRecords(path: string, wanted: readonly string[], visit: Visit): Promise<void> {
  const scanner = new Scanner(path, new Set(wanted), visit);
  const file = await openJson(path);
  try {
    const { size } = await file.stat();
    for (let at = 0; at < size; at += CHUNK)
      scanner.take(
        await readExactly(file, Math.min(CHUNK, size - at), at, (what) => damaged(path, what)),
        at,
      );
  } finally {
    await file.close();
  }
  scanner.end();
}

/** Parses single records. @throws DataError when one is no JSON any more */
export async function readRecords(path: string, places: readonly Place[]): Promise<unknown[]> {
  const file = await openJson(path);
  try {
    const records: unknown[] = [];
    for (const { offset, length } of places) {
      const bytes = await readExactly(file, length, offset, (what) => damaged(path, what));
      records.push(parsed(path, bytes, offset));
    }
    return records;
  } finally {
    await file.close();
  }
}

async function openJson(path: string): Promise<FileHandle> {
  return open(path, 'r').catch((thrown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  });
}

function parsed(path: string, bytes: Uint8Array, offset: number): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (thrown) {
    throw damaged(path, `the record at byte ${offset} is no JSON: ${reason(thrown)}`, thrown);
  }
}

function damaged(path: string, what: string, cause?: unknown): DataError {
  return new DataError(`${path} is not sound JSON: ${what}`, {
    where: path,
    fix: 'export the annotations again',
    cause,
  });
}

/** Follows depth and texts byte by byte; a key is remembered at the top, a record's start one level below its list. */
class Scanner {
  readonly #path: string;
  readonly #wanted: ReadonlySet<string>;
  readonly #visit: Visit;
  #depth = 0;
  #isText = false;
  #isEscaped = false;
  #text: number[] = [];
  #key = '';
  /** Of the record that is open; below 0 when none is. */
  #start = -1;
  /** What earlier chunks held of it. */
  #pieces: Uint8Array[] = [];

  constructor(path: string, wanted: ReadonlySet<string>, visit: Visit) {
    this.#path = path;
    this.#wanted = wanted;
    this.#visit = visit;
  }

  take(bytes: Uint8Array, offset: number): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (this.#isText) this.#inText(byte);
      else if (byte === QUOTE) {
        this.#isText = true;
        this.#text.length = 0;
      } else if (byte === OPEN_LIST || byte === OPEN_OBJECT) this.#open(offset + i, byte);
      else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#close(bytes, offset, i);
      else if (byte === COLON && this.#depth === 1) this.#key = String.fromCharCode(...this.#text);
      else if (byte === COMMA && this.#depth === 1) this.#key = '';
    }
    if (this.#start >= 0) this.#pieces.push(bytes.subarray(Math.max(0, this.#start - offset)));
  }

  end(): void {
    if (this.#depth !== 0 || this.#isText) throw damaged(this.#path, 'it is cut short');
  }

  #inText(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === ESCAPE) this.#isEscaped = true;
    else if (byte === QUOTE) this.#isText = false;
    else if (this.#depth === 1 && this.#text.length < 64) this.#text.push(byte);
  }

  #open(at: number, byte: number): void {
    if (this.#depth === 2 && byte === OPEN_OBJECT && this.#wanted.has(this.#key)) this.#start = at;
    if (++this.#depth > MAX_DEPTH)
      throw damaged(this.#path, `it is nested more than ${MAX_DEPTH} levels deep`);
  }

  #close(bytes: Uint8Array, offset: number, i: number): void {
    if (--this.#depth < 0) throw damaged(this.#path, `a bracket at byte ${offset + i} closes nothing`);
    if (this.#depth !== 2 || this.#start < 0) return;
    const place = { offset: this.#start, length: offset + i + 1 - this.#start };
    const whole = Buffer.concat([...this.#pieces, bytes.subarray(Math.max(0, this.#start - offset), i + 1)]);
    this.#start = -1;
    this.#pieces = [];
    this.#visit(this.#key, parsed(this.#path, whole, place.offset), place);
  }
}
