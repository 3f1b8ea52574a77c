import type * as tf from '@tensorflow/tfjs';
import { type KernelAttribute, nativeBackend } from '../internals.js';

/** TensorFlow's numbers of the element types. */
export const TYPE_NUMBERS = { float32: 1, int32: 3, uint8: 4, string: 7, int64: 9, bool: 10 } as const;

const attribute = (name: string, kind: string, value: unknown): KernelAttribute => ({
  name,
  type: nativeBackend().binding[kind] as number,
  value,
});

/** Builders of kernel attributes. */
export const attributes = {
  type: (name: string, type: keyof typeof TYPE_NUMBERS) =>
    attribute(name, 'TF_ATTR_TYPE', TYPE_NUMBERS[type]),
  bool: (name: string, value: boolean) => attribute(name, 'TF_ATTR_BOOL', value),
  int: (name: string, value: number | readonly number[]) => attribute(name, 'TF_ATTR_INT', value),
  float: (name: string, value: number) => attribute(name, 'TF_ATTR_FLOAT', value),
  string: (name: string, value: string) => attribute(name, 'TF_ATTR_STRING', value),
  shape: (name: string, value: readonly number[]) => attribute(name, 'TF_ATTR_SHAPE', value),
};

/** Runs one of TensorFlow's kernels by its name; works on the native backend only and is not taped. */
export function kernel(
  name: string,
  attributeList: readonly KernelAttribute[],
  inputs: readonly tf.Tensor[],
  outputs: number,
): tf.Tensor[] {
  return nativeBackend().executeMultipleOutputs(name, attributeList, inputs, outputs) as tf.Tensor[];
}
