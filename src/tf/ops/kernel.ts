import * as tf from '@tensorflow/tfjs';

/** TensorFlow's numbers of the element types. */
const TYPES = { float32: 1, int32: 3, uint8: 4, string: 7, int64: 9, bool: 10 } as const;

interface NativeBackend {
  readonly binding: Readonly<Record<string, number>>;
  executeMultipleOutputs(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
}

export interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

const native = (): NativeBackend => tf.backend() as unknown as NativeBackend;
const attribute = (name: string, kind: string, value: unknown): Attribute => ({
  name,
  type: native().binding[kind] as number,
  value,
});

/** Builders of kernel attributes. */
export const attributes = {
  type: (name: string, type: keyof typeof TYPES) => attribute(name, 'TF_ATTR_TYPE', TYPES[type]),
  bool: (name: string, value: boolean) => attribute(name, 'TF_ATTR_BOOL', value),
  int: (name: string, value: number | readonly number[]) => attribute(name, 'TF_ATTR_INT', value),
  float: (name: string, value: number) => attribute(name, 'TF_ATTR_FLOAT', value),
  string: (name: string, value: string) => attribute(name, 'TF_ATTR_STRING', value),
  shape: (name: string, value: readonly number[]) => attribute(name, 'TF_ATTR_SHAPE', value),
};

/** Runs one of TensorFlow's kernels by its name; works on the native backend only and is not taped. */
export function kernel(
  name: string,
  attributeList: readonly Attribute[],
  inputs: readonly tf.Tensor[],
  outputs: number,
): tf.Tensor[] {
  return native().executeMultipleOutputs(name, attributeList, inputs, outputs);
}
