import * as tf from '@tensorflow/tfjs';
import { attributes as a, kernel } from './kernel.js';

/** TensorFlow's name for a variable that goes with its handle; an empty name would be one variable for all. */
const ANONYMOUS = 'cd2c89b7-88b7-44c8-ad83-06c2a9158347';

/** A variable of TensorFlow's own, which its update kernels change in place. Native backend only. */
export class Resource {
  readonly #handle: tf.Tensor;

  constructor(value: tf.Tensor) {
    const [handle] = kernel(
      'VarHandleOp',
      [
        a.type('dtype', 'float32'),
        a.shape('shape', value.shape),
        a.string('container', ''),
        a.string('shared_name', ANONYMOUS),
      ],
      [],
      1,
    );
    this.#handle = tf.keep(handle as tf.Tensor);
    this.assign(value);
  }

  /** Another value, also of another shape. While a tensor shares it, an update in place copies it first. */
  assign(value: tf.Tensor): void {
    kernel('AssignVariableOp', [a.type('dtype', 'float32')], [this.#handle, value], 0);
  }

  /** The value, sharing its memory. */
  read(): tf.Tensor {
    return kernel('ReadVariableOp', [a.type('dtype', 'float32')], [this.#handle], 1)[0] as tf.Tensor;
  }

  get handle(): tf.Tensor {
    return this.#handle;
  }

  dispose(): void {
    this.#handle.dispose();
  }
}

/**
 * Adam's update of `weight` and its moments in place, in PyTorch's form: the kernel adds its epsilon before the second
 * moment's bias is corrected, so it is given epsilon times the correction.
 *
 * @param scalarOf gives numbers as tensors, which weights of a step have in common
 */
export function resourceAdam(
  weight: Resource,
  first: Resource,
  second: Resource,
  gradient: tf.Tensor,
  scalarOf: (value: number) => tf.Scalar,
  rates: {
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly eps: number;
    readonly step: number;
  },
): void {
  const [b1, b2] = rates.betas;
  const [power1, power2] = [b1 ** rates.step, b2 ** rates.step];
  const numbers = [power1, power2, rates.learningRate, b1, b2, rates.eps * Math.sqrt(1 - power2)];
  kernel(
    'ResourceApplyAdam',
    [a.type('T', 'float32'), a.bool('use_locking', false), a.bool('use_nesterov', false)],
    [weight.handle, first.handle, second.handle, ...numbers.map(scalarOf), gradient],
    0,
  );
}
