import type { FileHandle } from 'node:fs/promises';
import { DataError } from '../core/errors.js';
import { unpickle } from '../io/pickle.js';
import { readExactly } from '../io/readExactly.js';
import { openZip } from '../io/zip.js';
import { STORAGES, StorageRef, TORCH_GLOBALS } from './torchGlobals.js';

/** A pickle of names and shapes: the largest published checkpoint needs 0.2 MB, and a hostile one can unpack to 30 times its size. */
const MAX_PICKLE = 4 << 20;
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;

/** What a PyTorch file holds, and access to its storages. */
export interface TorchContainer {
  /** The object that was saved; tensors are `TensorRef`s. */
  readonly value: unknown;
  /** Bytes `from` to `to` of a storage, in a buffer of their own. */
  read(ref: StorageRef, from: number, to: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** The zip form: `data.pkl` and one entry for each storage. @throws DataError when it is not sound */
export async function openZipForm(path: string): Promise<TorchContainer> {
  const zip = await openZip(path);
  try {
    const index = [...zip.entries.values()].find(({ name }) => /^([^/]+\/)?data\.pkl$/.test(name));
    if (index === undefined) throw bad(path, 'the archive has no data.pkl');
    const folder = index.name.slice(0, -'data.pkl'.length);
    const order = zip.entries.get(`${folder}byteorder`);
    const isForeign =
      order !== undefined && !/^little\s*$/.test(Buffer.from(await zip.read(order, 16)).toString());
    if (isForeign) throw bad(path, 'it was written on a big-endian machine');
    const storages = new Map<string, StorageRef>();
    const { value } = unpickle(await zip.read(index, MAX_PICKLE), {
      globals: TORCH_GLOBALS,
      persistent: (id) => storage(id, storages, path),
    });
    const read = async (ref: StorageRef, from: number, to: number) => {
      const entry = zip.entries.get(`${folder}data/${ref.key}`);
      if (entry === undefined) throw bad(path, `the storage ${ref.key} is missing`);
      if (entry.size !== ref.byteLength)
        throw bad(path, `the storage ${ref.key} claims ${ref.byteLength} bytes and has ${entry.size}`);
      return zip.readPart(entry, from, to);
    };
    return { value, read, close: () => zip.close() };
  } catch (thrown) {
    await zip.close();
    throw thrown;
  }
}

/** The legacy form: magic number, version, system, object and list of storages as five pickles; then the storages. */
export async function openLegacyForm(path: string, file: FileHandle): Promise<TorchContainer> {
  const { size } = await file.stat();
  const fault = (what: string) => bad(path, what);
  const head = await readExactly(file, Math.min(size, MAX_PICKLE), 0, fault);
  const storages = new Map<string, StorageRef>();
  const options = { globals: TORCH_GLOBALS, persistent: (id: unknown) => storage(id, storages, path) };
  const parts: unknown[] = [];
  let at = 0;
  for (let i = 0; i < 5; i++) {
    const { value, end } = unpickle(head, options, at);
    if (i === 0 && value !== LEGACY_MAGIC) throw bad(path, 'it is no PyTorch file');
    parts.push(value);
    at = end;
  }
  const keys = parts[4];
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string'))
    throw bad(path, 'the list of storages is missing');
  const places = new Map<string, number>();
  for (const key of keys) {
    const ref = storages.get(key);
    if (ref === undefined || places.has(key)) throw bad(path, `the storage ${key} is unused or there twice`);
    if (at + 8 + ref.byteLength > size)
      throw bad(path, `the storage ${key} reaches past the end of the file`);
    const count = new DataView((await readExactly(file, 8, at, fault)).buffer).getBigInt64(0, true);
    if (count !== BigInt(ref.length)) throw bad(path, `the storage ${key} has another length than said`);
    places.set(key, at + 8);
    at += 8 + ref.byteLength;
  }
  const read = (ref: StorageRef, from: number, to: number) => {
    const place = places.get(ref.key);
    if (place === undefined) throw bad(path, `the storage ${ref.key} is missing`);
    return readExactly(file, to - from, place + from, fault);
  };
  return { value: parts[3], read, close: () => file.close() };
}

/** `('storage', type, key, device, element count, ...)`; the same key gives the same storage. */
function storage(id: unknown, known: Map<string, StorageRef>, path: string): StorageRef {
  if (!Array.isArray(id) || id[0] !== 'storage') throw bad(path, 'it refers to something that is no storage');
  const stored = STORAGES.get(id[1]?.value);
  const [key, length] = [id[2], id[4]];
  if (typeof key !== 'string') throw bad(path, 'it refers to a storage without a name');
  const isView = Array.isArray(id[5]) && id[5].length > 0;
  if (stored === undefined || !Number.isSafeInteger(length) || length < 0 || isView)
    throw bad(path, `the storage ${key} is of no known kind`);
  const before = known.get(key);
  if (before !== undefined) {
    if (before.length !== length || before.stored !== stored)
      throw bad(path, `the storage ${key} has two descriptions`);
    return before;
  }
  const made = new StorageRef(key, stored, length);
  known.set(key, made);
  return made;
}

function bad(path: string, what: string): DataError {
  return new DataError(what, { where: path });
}
