import { tf } from '../../tf/index.js';
import type { ConstantData } from './graph.js';

/** The parts of TensorFlow.js's engine through which every kernel, tensor and read goes, on every backend. */
export interface EngineInternals {
  runKernelFunc(parameters: {
    kernelName?: string;
    inputs: Record<string, tf.Tensor>;
    attrs?: Record<string, unknown>;
  }): tf.Tensor | tf.Tensor[];
  makeTensor(...args: unknown[]): tf.Tensor;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
}

export const engineOf = (): EngineInternals => tf.engine() as unknown as EngineInternals;

/** A tensor with a shape and no contents; it can be disposed of like any other. */
export function hollow(engine: EngineInternals, shape: readonly number[], dtype: tf.DataType): tf.Tensor {
  const dataId = {};
  const backend = tf.backend() as unknown as {
    move(id: object, values: null, shape: readonly number[], dtype: string, references: number): void;
  };
  backend.move(dataId, null, shape, dtype, 1);
  return engine.makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype });
}

/** Contents by buffer, so that all traces of one model share one copy of its weights. */
const contents = new WeakMap<object, ConstantData>();

export function contentsOf(t: tf.Tensor): ConstantData {
  const known = contents.get(t.dataId);
  if (known !== undefined) return known;
  const data = (tf.backend() as unknown as { readSync(id: object): ConstantData }).readSync(t.dataId).slice();
  contents.set(t.dataId, data);
  return data;
}
