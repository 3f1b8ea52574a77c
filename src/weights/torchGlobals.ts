import type { ArrayInfo } from '../core/arrays.js';
import { DataError } from '../core/errors.js';
import { ELEMENT_BYTES } from '../io/arrayOf.js';
import type { PickleGlobal, PickleGlobals } from '../io/pickle.js';

/** A run of elements in the file. */
export class StorageRef {
  readonly key: string;
  readonly stored: ArrayInfo['stored'];
  /** In elements. */
  readonly length: number;

  constructor(key: string, stored: ArrayInfo['stored'], length: number) {
    this.key = key;
    this.stored = stored;
    this.length = length;
  }

  get byteLength(): number {
    return this.length * this.elementBytes;
  }

  get elementBytes(): number {
    return ELEMENT_BYTES[this.stored];
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

/** PyTorch's storage classes. */
const CLASSES: Readonly<Record<string, ArrayInfo['stored']>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
};

const storageGlobals = Object.entries(CLASSES).map(([name, stored]) => ({
  name,
  stored,
  value: callable(() => refuse(name)),
}));

/** The element type that a storage class of the table stands for. */
export const STORAGES: ReadonlyMap<unknown, ArrayInfo['stored']> = new Map(
  storageGlobals.map(({ stored, value }) => [value, stored]),
);

/** The class that PyTorch stores an element type with; none for types that it lacks. */
export function storageClass(stored: ArrayInfo['stored']): string | undefined {
  return storageGlobals.find((known) => known.stored === stored)?.name;
}

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
