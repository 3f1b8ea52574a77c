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
