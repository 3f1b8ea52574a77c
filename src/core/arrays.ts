/** One weight outside TensorFlow, in the published (PyTorch) layout. */
export interface NamedArray {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'float64' | 'int64' | 'int32' | 'int16' | 'int8' | 'uint8' | 'uint16' | 'bool';
  readonly data:
    | Float32Array
    | Float64Array
    | BigInt64Array
    | Int32Array
    | Int16Array
    | Int8Array
    | Uint8Array
    | Uint16Array;
}

/** Weights keyed by their published names; the order is the file's. */
export type NamedArrays = ReadonlyMap<string, NamedArray>;

/** What is known of an array before its numbers are read. */
export interface ArrayInfo {
  readonly shape: readonly number[];
  /** Of what reading gives. */
  readonly dtype: NamedArray['dtype'];
  /** In the file; the two half-width formats are widened to float32 when read. */
  readonly stored: NamedArray['dtype'] | 'float16' | 'bfloat16';
  /** The first name that stands for the same numbers, where they are kept once. */
  readonly sameAs?: string;
}

/** Named arrays that are read one at a time, so that a large file never lies in memory as a whole. */
export interface ArraySource {
  readonly entries: ReadonlyMap<string, ArrayInfo>;
  /** A fresh array that belongs to the caller. @throws RangeError when there is no such name */
  read(name: string): Promise<NamedArray>;
}

/** Arrays in memory as a source; those that share their numbers are kept once. */
export function sourceOf(arrays: NamedArrays): ArraySource {
  const first = new Map<NamedArray['data'], string>();
  const entries = new Map<string, ArrayInfo>();
  for (const [name, { shape, dtype, data }] of arrays) {
    const same = first.get(data);
    if (same === undefined) first.set(data, name);
    entries.set(name, { shape, dtype, stored: dtype, ...(same === undefined ? {} : { sameAs: same }) });
  }
  return {
    entries,
    read: async (name) => {
      const array = arrays.get(name);
      if (array === undefined) throw new RangeError(`there is no array \`${name}\``);
      return { ...array, data: array.data.slice() };
    },
  };
}

/** True for what is read piece by piece. */
export function isSource(arrays: NamedArrays | ArraySource): arrays is ArraySource {
  return !(arrays instanceof Map);
}

/** Reads everything. */
export async function readAll(source: ArraySource): Promise<Map<string, NamedArray>> {
  const arrays = new Map<string, NamedArray>();
  for (const name of source.entries.keys()) arrays.set(name, await source.read(name));
  return arrays;
}
