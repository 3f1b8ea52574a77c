import * as tf from '@tensorflow/tfjs';

/** A node of the tape. */
export interface TapeNode {
  readonly saved: tf.Tensor[];
}

/** The parts of TensorFlow.js's engine that its own gradients stand on, and through which every kernel, tensor and read goes. */
export interface EngineInternals {
  readonly state: { activeTape: TapeNode[] | null; gradientDepth: number };
  isTapeOn(): boolean;
  /** A kernel by its name, or a function with a gradient of its own. */
  runKernelFunc(parameters: {
    kernelName?: string;
    inputs: Record<string, tf.Tensor>;
    attrs?: Record<string, unknown>;
    forwardFunc?: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor | tf.Tensor[];
    backwardsFunc?:
      | ((dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>)
      | null;
  }): tf.Tensor | tf.Tensor[];
  gradients(
    f: () => tf.Tensor,
    xs: readonly tf.Tensor[],
    dy: tf.Tensor | null,
    allowNoGradients: boolean,
  ): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
  makeTensor(...args: unknown[]): tf.Tensor;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
}

export const engine = (): EngineInternals => tf.engine() as unknown as EngineInternals;

/** An attribute of one of TensorFlow's kernels. */
export interface KernelAttribute {
  readonly name: string;
  /** One of the binding's `TF_ATTR_` numbers. */
  readonly type: number;
  readonly value: unknown;
}

/** tfjs-node's way to give a 64-bit number. */
export interface Int64 {
  readonly valueArray: Int32Array;
}

/** What every backend has. */
export interface AnyBackend {
  /** Takes numbers of JavaScript's as a tensor's data. */
  move(dataId: object, ...rest: unknown[]): void;
  readSync(dataId: object): Float32Array | Int32Array | Uint8Array;
}

/** tfjs-node's backend: every operation of TensorFlow's goes through these. */
export interface NativeBackend extends AnyBackend {
  readonly binding: Readonly<Record<string, number>>;
  executeSingleOutput(
    name: string,
    attributes: readonly KernelAttribute[],
    inputs: readonly (tf.TensorInfo | Int64)[],
  ): tf.TensorInfo;
  executeMultipleOutputs(
    name: string,
    attributes: readonly KernelAttribute[],
    inputs: readonly (tf.TensorInfo | Int64)[],
    outputs: number,
  ): tf.TensorInfo[];
}

export const anyBackend = (): AnyBackend => tf.backend() as unknown as AnyBackend;
export const nativeBackend = (): NativeBackend => tf.backend() as unknown as NativeBackend;
