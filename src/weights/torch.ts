import { type FileHandle, open } from 'node:fs/promises';
import type { NamedArray } from '../core/arrays.js';
import { DataError, WeightsError } from '../core/errors.js';
import { bfloatToFloat, halfToFloat } from '../io/half.js';
import { unpickle } from '../io/pickle.js';
import { openZip } from '../io/zip.js';
import { stateDict } from './stateDict.js';
import { STORAGES, StorageRef, type TensorRef, TORCH_GLOBALS } from './torchGlobals.js';

/** A pickle of names and shapes: the largest published checkpoint needs 0.2 MB, and a hostile one can unpack to 30 times its size. */
const MAX_PICKLE = 4 << 20;

/**
 * Reads a PyTorch file (`.pt`, `.pth`; zip or legacy form) without running any code of it, storage by storage. Views
 * become contiguous arrays; float16 and bfloat16 are widened to float32.
 *
 * @throws WeightsError when the file is damaged, hostile, or holds no state dict
 */
export async function readTorch(path: string): Promise<Map<string, NamedArray>> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}`, { where: path, fix: 'check the path', cause: thrown });
  });
  try {
    const magic = Buffer.alloc(4);
    await file.read(magic, 0, 4, 0);
    return magic.readUInt32LE(0) === 0x04034b50 ? await readZipForm(path) : await readLegacyForm(path, file);
  } catch (thrown) {
    if (!(thrown instanceof DataError)) throw thrown;
    throw new WeightsError(`${path} cannot be read as PyTorch weights: ${thrown.message}`, {
      where: path,
      fix: 'download it again, from a source that you trust',
      cause: thrown,
    });
  } finally {
    await file.close();
  }
}

async function readZipForm(path: string): Promise<Map<string, NamedArray>> {
  const zip = await openZip(path);
  try {
    const index = [...zip.entries.values()].find(({ name }) => /^([^/]+\/)?data\.pkl$/.test(name));
    if (index === undefined) throw bad(path, 'the archive has no data.pkl');
    const folder = index.name.slice(0, -'data.pkl'.length);
    const order = zip.entries.get(`${folder}byteorder`);
    if (
      order !== undefined &&
      Buffer.from(await zip.read(order, 16))
        .toString()
        .trim() !== 'little'
    )
      throw bad(path, 'it was written on a big-endian machine');
    const storages = new Map<string, StorageRef>();
    const { value } = unpickle(await zip.read(index, MAX_PICKLE), {
      globals: TORCH_GLOBALS,
      persistent: (id) => storage(id, storages, path),
    });
    return await collect(stateDict(value, path), path, await fileSize(path), async (ref) => {
      const entry = zip.entries.get(`${folder}data/${ref.key}`);
      if (entry === undefined) throw bad(path, `the storage ${ref.key} is missing`);
      if (entry.size < ref.byteLength)
        throw bad(path, `the storage ${ref.key} claims ${ref.byteLength} bytes and has ${entry.size}`);
      return zip.read(entry, entry.size);
    });
  } finally {
    await zip.close();
  }
}

/** Magic number, protocol version, system, object and list of storages as five pickles; then the storages. */
async function readLegacyForm(path: string, file: FileHandle): Promise<Map<string, NamedArray>> {
  const { size } = await file.stat();
  const head = new Uint8Array(Math.min(size, MAX_PICKLE));
  await file.read(head, 0, head.length, 0);
  const storages = new Map<string, StorageRef>();
  const options = { globals: TORCH_GLOBALS, persistent: (id: unknown) => storage(id, storages, path) };
  const parts: unknown[] = [];
  let at = 0;
  for (let i = 0; i < 5; i++) {
    const { value, end } = unpickle(head, options, at);
    if (i === 0 && value !== 0x1950a86a20f9469cfc6cn) throw bad(path, 'it is no PyTorch file');
    parts.push(value);
    at = end;
  }
  const keys = parts[4];
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw bad(path, 'the list of storages is missing');
  const places = new Map<string, number>();
  const count = Buffer.alloc(8);
  for (const key of keys) {
    const ref = storages.get(key);
    if (ref === undefined || places.has(key)) throw bad(path, `the storage ${key} is unused or there twice`);
    if (at + 8 + ref.byteLength > size)
      throw bad(path, `the storage ${key} reaches past the end of the file`);
    await file.read(count, 0, 8, at);
    if (count.readBigInt64LE(0) !== BigInt(ref.length))
      throw bad(path, `the storage ${key} has another length than said`);
    places.set(key, at + 8);
    at += 8 + ref.byteLength;
  }
  return collect(stateDict(parts[3], path), path, size, async (ref) => {
    const place = places.get(ref.key);
    if (place === undefined) throw bad(path, `the storage ${ref.key} is missing`);
    const bytes = new Uint8Array(ref.byteLength);
    await file.read(bytes, 0, bytes.length, place);
    return bytes;
  });
}

/** `('storage', type, key, device, element count, ...)`; the same key gives the same storage. */
function storage(id: unknown, known: Map<string, StorageRef>, path: string): StorageRef {
  if (!Array.isArray(id) || id[0] !== 'storage') throw bad(path, 'it refers to something that is no storage');
  const type = STORAGES.get(id[1]?.value);
  const [key, length] = [id[2], id[4]];
  if (typeof key !== 'string') throw bad(path, 'it refers to a storage without a name');
  if (
    type === undefined ||
    !Number.isSafeInteger(length) ||
    length < 0 ||
    (Array.isArray(id[5]) && id[5].length > 0)
  )
    throw bad(path, `the storage ${key} is of no known kind`);
  const before = known.get(key);
  if (before !== undefined) {
    if (before.length !== length || before.type !== type)
      throw bad(path, `the storage ${key} has two descriptions`);
    return before;
  }
  const made = new StorageRef(key, type, length);
  known.set(key, made);
  return made;
}

/** Reads each storage once and lets it go before the next; the result has the file's order. */
async function collect(
  tensors: ReadonlyMap<string, TensorRef>,
  path: string,
  size: number,
  read: (ref: StorageRef) => Promise<Uint8Array>,
): Promise<Map<string, NamedArray>> {
  let total = 0;
  const byStorage = new Map<StorageRef, [string, TensorRef][]>();
  for (const [name, tensor] of tensors) {
    checkView(name, tensor, path);
    total += tensor.count * tensor.storage.type.bytes;
    const group = byStorage.get(tensor.storage);
    if (group === undefined) byStorage.set(tensor.storage, [[name, tensor]]);
    else group.push([name, tensor]);
  }
  if (total > 16 * size + (64 << 20))
    throw bad(path, `its views add up to ${total} bytes, the file has ${size}`);
  const done = new Map<string, NamedArray>();
  for (const [ref, views] of byStorage) {
    const bytes = ref.byteLength === 0 ? new Uint8Array(0) : await read(ref);
    for (const [name, view] of views) done.set(name, decode(bytes, view));
  }
  return new Map([...tensors.keys()].map((name) => [name, done.get(name) as NamedArray]));
}

function checkView(
  name: string,
  { size, stride, offset, count, storage: { length } }: TensorRef,
  path: string,
): void {
  if (count === 0) return;
  const last = size.reduce((at, n, axis) => at + (n - 1) * (stride[axis] ?? 0), offset);
  if (!Number.isSafeInteger(count) || last >= length || count > length)
    throw bad(
      path,
      `\`${name}\` of shape [${size.join(', ')}] reaches past its storage of ${length} elements`,
    );
}

function decode(bytes: Uint8Array, view: TensorRef): NamedArray {
  const { size: shape, count } = view;
  const { bytes: width, dtype, code } = view.storage.type;
  const packed = gather(bytes, view, width);
  if (packed.length !== count * width) throw new WeightsError('a tensor was read incompletely');
  if (code === 'half') return { shape, dtype, data: halfToFloat(new Uint16Array(packed.buffer)) };
  if (code === 'bfloat16') return { shape, dtype, data: bfloatToFloat(new Uint16Array(packed.buffer)) };
  switch (dtype) {
    case 'float32':
      return { shape, dtype, data: new Float32Array(packed.buffer) };
    case 'float64':
      return { shape, dtype, data: new Float64Array(packed.buffer) };
    case 'int64':
      return { shape, dtype, data: new BigInt64Array(packed.buffer) };
    case 'int32':
      return { shape, dtype, data: new Int32Array(packed.buffer) };
    case 'int16':
      return { shape, dtype, data: new Int16Array(packed.buffer) };
    case 'int8':
      return { shape, dtype, data: new Int8Array(packed.buffer) };
    default:
      return { shape, dtype, data: packed };
  }
}

/** The elements of a strided view as contiguous bytes in a buffer of their own. */
function gather(
  bytes: Uint8Array,
  { size, stride, offset, count }: TensorRef,
  width: number,
): Uint8Array<ArrayBuffer> {
  const dense = size.every(
    (n, axis) => n === 1 || stride[axis] === size.slice(axis + 1).reduce((a, b) => a * b, 1),
  );
  if (dense || count === 0) return Uint8Array.from(bytes.subarray(offset * width, (offset + count) * width));
  const out = new Uint8Array(count * width);
  const index = new Array<number>(size.length).fill(0);
  let source = offset;
  for (let i = 0; i < count; i++) {
    for (let b = 0; b < width; b++) out[i * width + b] = bytes[source * width + b] as number;
    for (let axis = size.length - 1; axis >= 0; axis--) {
      source += stride[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (size[axis] as number)) break;
      source -= (stride[axis] as number) * (size[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

async function fileSize(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

function bad(path: string, what: string): DataError {
  return new DataError(what, { where: path });
}
