import type { NamedArray } from '../core/arrays.js';
import { DataError } from '../core/errors.js';
import type { PickleGlobal, PickleGlobals } from '../io/pickle.js';

export interface StorageType {
  readonly code: string;
  readonly bytes: number;
  /** What the elements become here. */
  readonly dtype: NamedArray['dtype'];
}

/** A run of elements in the file. */
export class StorageRef {
  readonly key: string;
  readonly type: StorageType;
  /** In elements. */
  readonly length: number;

  constructor(key: string, type: StorageType, length: number) {
    this.key = key;
    this.type = type;
    this.length = length;
  }

  get byteLength(): number {
    return this.length * this.type.bytes;
  }
}

/** A strided view of a storage, all in elements. */
export class TensorRef {
  readonly storage: StorageRef;
  readonly offset: number;
  readonly size: readonly number[];
  readonly stride: readonly number[];
  readonly count: number;

  constructor(storage: StorageRef, offset: number, size: readonly number[], stride: readonly number[]) {
    this.storage = storage;
    this.offset = offset;
    this.size = size;
    this.stride = stride;
    this.count = size.reduce((a, b) => a * b, 1);
  }
}

const KINDS: readonly (readonly [name: string, type: StorageType])[] = [
  ['FloatStorage', { code: 'float', bytes: 4, dtype: 'float32' }],
  ['DoubleStorage', { code: 'double', bytes: 8, dtype: 'float64' }],
  ['HalfStorage', { code: 'half', bytes: 2, dtype: 'float32' }],
  ['BFloat16Storage', { code: 'bfloat16', bytes: 2, dtype: 'float32' }],
  ['LongStorage', { code: 'long', bytes: 8, dtype: 'int64' }],
  ['IntStorage', { code: 'int', bytes: 4, dtype: 'int32' }],
  ['ShortStorage', { code: 'short', bytes: 2, dtype: 'int16' }],
  ['CharStorage', { code: 'char', bytes: 1, dtype: 'int8' }],
  ['ByteStorage', { code: 'byte', bytes: 1, dtype: 'uint8' }],
  ['BoolStorage', { code: 'bool', bytes: 1, dtype: 'bool' }],
];

const storageGlobals = KINDS.map(([name, type]) => ({ name, type, value: callable(() => refuse(name)) }));

/** The element type that a storage class of the table stands for. */
export const STORAGES: ReadonlyMap<unknown, StorageType> = new Map(
  storageGlobals.map(({ type, value }) => [value, type]),
);

/** All that a PyTorch file may name: dictionaries, tensors, parameters, storages, sizes. */
export const TORCH_GLOBALS: PickleGlobals = {
  'collections.OrderedDict': callable((args) => new Map(pairs(args[0]))),
  'torch._utils._rebuild_tensor': callable(tensor),
  'torch._utils._rebuild_tensor_v2': callable(tensor),
  'torch._utils._rebuild_parameter': callable((args) => args[0]),
  'torch._utils._rebuild_parameter_with_state': callable((args) => args[0]),
  'torch.Size': callable((args) => args[0]),
  'torch.device': callable((args) => args[0]),
  ...Object.fromEntries(storageGlobals.map(({ name, value }) => [`torch.${name}`, value])),
};

function callable(call: PickleGlobal['call']): PickleGlobal {
  return { call };
}

function tensor(args: readonly unknown[]): TensorRef {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof StorageRef) || !isCount(offset) || !areCounts(size) || !areCounts(stride))
    throw new DataError('a tensor is described wrongly');
  if (size.length !== stride.length || size.length > 16)
    throw new DataError('a tensor has a wrong number of strides');
  return new TensorRef(storage, offset, size, stride);
}

function pairs(items: unknown): [unknown, unknown][] {
  if (items === undefined) return [];
  if (!Array.isArray(items) || !items.every((p) => Array.isArray(p) && p.length === 2))
    throw new DataError('a dictionary is described wrongly');
  return items;
}

function refuse(name: string): never {
  throw new DataError(`it calls torch.${name}`);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function areCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}
