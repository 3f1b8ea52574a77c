import { open } from 'node:fs/promises';
import {
  type ArrayInfo,
  type ArraySource,
  isSource,
  type NamedArray,
  type NamedArrays,
  sourceOf,
} from '../core/arrays.js';
import { writeAtomic } from '../core/files.js';
import { ELEMENT_BYTES } from './arrayOf.js';
import { floatToHalf } from './half.js';

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
 * Writes arrays in the order given, one at a time, atomically; float32 as float16 when `half` is set.
 *
 * @throws OutputError when the place is not writable or the disk is full
 */
export async function writeSafetensors(
  path: string,
  tensors: NamedArrays | ArraySource,
  options: { readonly metadata?: Readonly<Record<string, string>>; readonly half?: boolean } = {},
): Promise<void> {
  const source = isSource(tensors) ? tensors : sourceOf(tensors);
  const isHalf = ({ dtype }: Pick<ArrayInfo, 'dtype'>) => options.half === true && dtype === 'float32';
  const header: Record<string, unknown> = {};
  if (options.metadata !== undefined) header['__metadata__'] = options.metadata;
  let at = 0;
  for (const [name, info] of source.entries) {
    const width = isHalf(info) ? 2 : ELEMENT_BYTES[info.dtype];
    const end = at + info.shape.reduce((a, b) => a * b, width);
    header[name] = {
      dtype: isHalf(info) ? 'F16' : CODES[info.dtype],
      shape: info.shape,
      data_offsets: [at, end],
    };
    at = end;
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
      for (const name of source.entries.keys()) {
        const bytes = bytesOf(await source.read(name), isHalf);
        if (bytes.length > 0) await file.writeFile(bytes);
      }
      await file.sync();
    } finally {
      await file.close();
    }
  });
}

function bytesOf(array: NamedArray, isHalf: (info: Pick<ArrayInfo, 'dtype'>) => boolean): Uint8Array {
  const { buffer, byteOffset, byteLength } = isHalf(array)
    ? floatToHalf(array.data as Float32Array)
    : array.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
