import { open } from 'node:fs/promises';
import type { NamedArray } from '../core/arrays.js';
import { reason, WeightsError } from '../core/errors.js';
import { writeAtomic } from '../core/files.js';
import { bfloatToFloat, floatToHalf, halfToFloat } from './half.js';

/** A header longer than this is hostile: the largest published checkpoint needs 0.2 MB. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

export interface SafetensorsFile {
  readonly tensors: Map<string, NamedArray>;
  /** The file's own text entries. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a whole `.safetensors` file, tensor by tensor; float16 and bfloat16 are widened to float32.
 *
 * @throws WeightsError when the header or any range is not right; nothing larger than the file is ever allocated
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'check the path',
      cause: thrown,
    });
  });
  try {
    const { size } = await file.stat();
    const { entries, metadata, dataStart } = await readHeader(path, size, async (length, position) => {
      const buffer = new Uint8Array(length);
      await file.read(buffer, 0, length, position);
      return buffer;
    });
    const tensors = new Map<string, NamedArray>();
    for (const [name, entry] of entries) {
      const [from, to] = entry.data_offsets;
      const bytes = new Uint8Array(to - from);
      if (bytes.length > 0) await file.read(bytes, 0, bytes.length, dataStart + from);
      tensors.set(name, decode(bytes, entry));
    }
    return { tensors, metadata };
  } finally {
    await file.close();
  }
}

async function readHeader(
  path: string,
  size: number,
  read: (length: number, position: number) => Promise<Uint8Array>,
) {
  const bad = (what: string) =>
    new WeightsError(`${path} is not a sound .safetensors file: ${what}`, {
      where: path,
      fix: 'download or save it again',
    });
  if (size < 8) throw bad(`it has ${size} bytes`);
  const length = Number(new DataView((await read(8, 0)).buffer).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > size)
    throw bad(`its header claims ${length} bytes, the file has ${size}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(await read(length, 8)));
  } catch (thrown) {
    throw bad(`its header is not JSON (${reason(thrown)})`);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw bad('its header is not a table');
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, unknown>;
  const entries = Object.entries(rest) as [string, Entry][];
  for (const [name, entry] of entries) checkEntry(name, entry, size - 8 - length, bad);
  const sorted = entries
    .map(([name, e]) => ({ name, from: e.data_offsets[0], to: e.data_offsets[1] }))
    .sort((a, b) => a.from - b.from || a.to - b.to);
  for (let i = 1; i < sorted.length; i++) {
    const [before, own] = [sorted[i - 1], sorted[i]];
    if (before !== undefined && own !== undefined && own.from < before.to)
      throw bad(`the data of \`${before.name}\` and \`${own.name}\` overlap`);
  }
  return { entries, metadata: metadata as Record<string, string>, dataStart: 8 + length };
}

function checkEntry(
  name: string,
  entry: unknown,
  available: number,
  bad: (what: string) => WeightsError,
): void {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Partial<Entry>;
  const width = BYTES[String(dtype)];
  if (width === undefined) throw bad(`\`${name}\` has the unknown element type ${String(dtype)}`);
  const isCount = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isCount)) throw bad(`\`${name}\` has no proper shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw bad(`\`${name}\` has no proper data offsets`);
  const [from, to] = offsets as [number, number];
  if (from > to || to > available)
    throw bad(`the data of \`${name}\` lie at ${from} .. ${to}, outside the file's ${available} bytes`);
  const bytes = shape.reduce((a: number, b: number) => a * b, width);
  if (bytes !== to - from) throw bad(`\`${name}\` needs ${bytes} bytes and has ${to - from}`);
}

function decode(bytes: Uint8Array, entry: Entry): NamedArray {
  const { shape } = entry;
  const { buffer } = bytes;
  switch (entry.dtype) {
    case 'F32':
      return { shape, dtype: 'float32', data: new Float32Array(buffer) };
    case 'F64':
      return { shape, dtype: 'float64', data: new Float64Array(buffer) };
    case 'F16':
      return { shape, dtype: 'float32', data: halfToFloat(new Uint16Array(buffer)) };
    case 'BF16':
      return { shape, dtype: 'float32', data: bfloatToFloat(new Uint16Array(buffer)) };
    case 'I64':
      return { shape, dtype: 'int64', data: new BigInt64Array(buffer) };
    case 'I32':
      return { shape, dtype: 'int32', data: new Int32Array(buffer) };
    case 'I16':
      return { shape, dtype: 'int16', data: new Int16Array(buffer) };
    case 'U16':
      return { shape, dtype: 'uint16', data: new Uint16Array(buffer) };
    case 'I8':
      return { shape, dtype: 'int8', data: new Int8Array(buffer) };
    case 'BOOL':
      return { shape, dtype: 'bool', data: bytes };
    default:
      return { shape, dtype: 'uint8', data: bytes };
  }
}

const CODES: Readonly<Record<NamedArray['dtype'], string>> = {
  float32: 'F32',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint8: 'U8',
  uint16: 'U16',
  bool: 'BOOL',
};

/**
 * Writes arrays in the order given, atomically; float32 as float16 when `half` is set.
 *
 * @throws OutputError when the place is not writable or the disk is full
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, NamedArray>,
  options: { readonly metadata?: Readonly<Record<string, string>>; readonly half?: boolean } = {},
): Promise<void> {
  const isHalf = (array: NamedArray) => options.half === true && array.dtype === 'float32';
  const header: Record<string, unknown> = {};
  if (options.metadata !== undefined) header['__metadata__'] = options.metadata;
  let at = 0;
  for (const [name, array] of tensors) {
    const bytes = isHalf(array) ? array.data.length * 2 : array.data.byteLength;
    header[name] = {
      dtype: isHalf(array) ? 'F16' : CODES[array.dtype],
      shape: array.shape,
      data_offsets: [at, at + bytes],
    };
    at += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  await writeAtomic(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      await file.write(length);
      await file.write(padded);
      for (const array of tensors.values()) {
        const { buffer, byteOffset, byteLength } = isHalf(array)
          ? floatToHalf(array.data as Float32Array)
          : array.data;
        if (byteLength > 0) await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
}
