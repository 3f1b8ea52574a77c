import * as tf from '@tensorflow/tfjs';
import { engine } from './internals.js';

type Thunks<Inputs> = { [K in keyof Inputs]?: () => tf.Tensor };

/**
 * An operator with a gradient of its own. Unlike `tf.customGrad` only the gradients that are asked for are computed,
 * and what the backward pass needs goes through `save`.
 *
 * @param forward computes the value; tensors handed to `save` come back in `backward`
 * @param backward for the incoming gradient, one thunk for each input that has a gradient
 */
export function op<Inputs extends Record<string, tf.Tensor>>(
  inputs: Inputs,
  forward: (save: (...tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => Thunks<Inputs>,
): tf.Tensor {
  return engine().runKernelFunc({
    inputs,
    forwardFunc: (_backend, save) => forward((...tensors) => save(tensors)),
    backwardsFunc: (dy, saved) => backward(dy as tf.Tensor, saved) as Record<string, () => tf.Tensor>,
  }) as tf.Tensor;
}

/** The same values without a gradient and without a copy; dispose it like any tensor. */
export function detach<T extends tf.Tensor>(x: T): T {
  const backend = tf.backend() as unknown as { incRef(id: object): void };
  backend.incRef(x.dataId);
  return engine().makeTensorFromTensorInfo({ dataId: x.dataId, shape: x.shape, dtype: x.dtype }) as T;
}

/** Runs a frozen part, with one result or several, inside a differentiated function without taping anything. */
export function noTape<T extends tf.Tensor | tf.Tensor[]>(f: () => T): T {
  return engine().runKernelFunc({ inputs: {}, forwardFunc: () => f(), backwardsFunc: null }) as T;
}
