import * as tf from '@tensorflow/tfjs';

/** A node of the tape. */
export interface TapeNode {
  readonly saved: tf.Tensor[];
}

/** The part of TensorFlow.js's engine that its own `customGrad` and `grads` stand on. */
export interface EngineInternals {
  readonly state: { activeTape: TapeNode[] | null; gradientDepth: number };
  isTapeOn(): boolean;
  runKernelFunc(parameters: {
    inputs: Record<string, tf.Tensor>;
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor | tf.Tensor[];
    backwardsFunc:
      | ((dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[]) => Record<string, () => tf.Tensor>)
      | null;
  }): tf.Tensor | tf.Tensor[];
  gradients(
    f: () => tf.Tensor,
    xs: readonly tf.Tensor[],
    dy: tf.Tensor | null,
    allowNoGradients: boolean,
  ): { value: tf.Tensor; grads: (tf.Tensor | undefined)[] };
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
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

/** tfjs-node's backend: every operation of TensorFlow's and every tensor goes through these. */
export interface NativeBackend {
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
  /** Takes numbers of JavaScript's as a tensor's data. */
  move(dataId: object, ...rest: unknown[]): void;
  readSync(dataId: object): Float32Array;
}

export const nativeBackend = (): NativeBackend => tf.backend() as unknown as NativeBackend;
