import { type FileHandle, open } from 'node:fs/promises';
import { type ArrayInfo, type ArraySource, type NamedArray, readAll } from '../core/arrays.js';
import { reason, WeightsError } from '../core/errors.js';
import { arrayOf, ELEMENT_BYTES, readAs } from './arrayOf.js';
import { readExactly } from './readExactly.js';

/** A header longer than this is hostile: the largest published checkpoint needs 0.2 MB. */
const MAX_HEADER = 100_000_000;

const TYPES: Readonly<Record<string, ArrayInfo['stored']>> = {
  F64: 'float64',
  I64: 'int64',
  F32: 'float32',
  I32: 'int32',
  F16: 'float16',
  BF16: 'bfloat16',
  I16: 'int16',
  U16: 'uint16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

interface Entry extends ArrayInfo {
  /** Bytes after the header. */
  readonly from: number;
  readonly to: number;
}

type Fault = (what: string) => WeightsError;

export interface SafetensorsFile {
  readonly tensors: Map<string, NamedArray>;
  /** The file's own text entries. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open `.safetensors` file; arrays are read on demand. The caller closes it. */
export interface SafetensorsSource extends ArraySource {
  readonly metadata: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Reads a whole `.safetensors` file, tensor by tensor; float16 and bfloat16 are widened to float32.
 *
 * @throws WeightsError when the header or any range is not right; nothing larger than the file is ever allocated
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const source = await openSafetensors(path);
  try {
    return { tensors: await readAll(source), metadata: source.metadata };
  } finally {
    await source.close();
  }
}

/** Opens a `.safetensors` file and checks its header. @throws WeightsError as above */
export async function openSafetensors(path: string): Promise<SafetensorsSource> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'check the path',
      cause: thrown,
    });
  });
  const fault: Fault = (what) =>
    new WeightsError(`${path} is not a sound .safetensors file: ${what}`, {
      where: path,
      fix: 'download or save it again',
    });
  try {
    const { entries, metadata, dataStart } = await readHeader(file, fault);
    return {
      entries,
      metadata,
      read: async (name) => {
        const entry = entries.get(name);
        if (entry === undefined) throw new RangeError(`${path} has no \`${name}\``);
        const bytes = await readExactly(file, entry.to - entry.from, dataStart + entry.from, fault);
        return arrayOf(bytes, entry.shape, entry.stored);
      },
      close: () => file.close(),
    };
  } catch (thrown) {
    await file.close();
    throw thrown;
  }
}

async function readHeader(file: FileHandle, fault: Fault) {
  const { size } = await file.stat();
  if (size < 8) throw fault(`it has ${size} bytes`);
  const length = Number(new DataView((await readExactly(file, 8, 0, fault)).buffer).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > size) {
    const why = length > MAX_HEADER ? 'it is something else' : 'it is cut short, or something else';
    throw fault(`${why}: its header claims ${length} bytes, the file has ${size}`);
  }
  let header: unknown;
  try {
    header = JSON.parse(
      new TextDecoder('utf-8', { fatal: true }).decode(await readExactly(file, length, 8, fault)),
    );
  } catch (thrown) {
    throw fault(`its header is not JSON (${reason(thrown)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw fault('its header is not a table');
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  if (!isTexts(metadata)) throw fault('its metadata are not texts');
  const available = size - 8 - length;
  const entries = new Map(
    Object.entries(rest).map(([name, entry]) => [name, checkedEntry(name, entry, fault)]),
  );
  checkRanges(entries, available, fault);
  return { entries, metadata, dataStart: 8 + length };
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((v) => typeof v === 'string')
  );
}

function checkedEntry(name: string, entry: unknown, fault: Fault): Entry {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  const stored = typeof dtype === 'string' && Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;
  if (stored === undefined)
    throw fault(`\`${name}\` has an unknown element type${typeof dtype === 'string' ? ` ${dtype}` : ''}`);
  if (!areCounts(shape)) throw fault(`\`${name}\` has no proper shape`);
  if (!areCounts(offsets) || offsets.length !== 2) throw fault(`\`${name}\` has no proper data offsets`);
  const [from, to] = offsets as [number, number];
  if (from > to) throw fault(`the data of \`${name}\` lie at ${from} .. ${to}`);
  const bytes = shape.reduce((a, b) => a * b, ELEMENT_BYTES[stored]);
  if (bytes !== to - from) throw fault(`\`${name}\` needs ${bytes} bytes and has ${to - from}`);
  return { shape, dtype: readAs(stored), stored, from, to };
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** @param available bytes after the header */
function checkRanges(entries: ReadonlyMap<string, Entry>, available: number, fault: Fault): void {
  const sorted = [...entries].sort(([, a], [, b]) => a.from - b.from || a.to - b.to);
  let end = 0;
  let before = '';
  for (const [name, { from, to }] of sorted) {
    if (from < end) throw fault(`the data of \`${before}\` and \`${name}\` overlap`);
    [end, before] = [to, name];
  }
  if (end > available)
    throw fault(
      `it is cut short: its header lists ${end} bytes of data, and ${available} are there (\`${before}\` lies outside the file)`,
    );
}
