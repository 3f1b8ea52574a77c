import * as tf from '@tensorflow/tfjs';
import { engine } from './internals.js';

/** True while TensorFlow.js records operations for a gradient. */
export const isTaping = (): boolean => engine().isTapeOn();

/**
 * An operator whose gradients are computed together, at the moment the backward pass reaches it. What it saved and its
 * incoming gradients are freed at once, where TensorFlow.js holds both until the whole backward pass is over.
 *
 * @param inputs tensors that get a gradient; `forward` may still change the list
 * @param forward computes the values; what the backward pass needs goes through `save`, called once
 * @param backward gives the gradient of every input, by name
 */
export function jointOp<Outputs extends tf.Tensor | tf.Tensor[]>(
  inputs: Record<string, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => Outputs,
  backward: (dys: tf.Tensor[], saved: tf.Tensor[]) => Readonly<Record<string, tf.Tensor>>,
): Outputs {
  return engine().runKernelFunc({
    inputs,
    forwardFunc: (_backend, save) => forward(save),
    backwardsFunc: (dy, saved) => {
      const dys = Array.isArray(dy) ? dy : [dy];
      const gradients = tf.tidy(() => ({ ...backward(dys, saved) }));
      tf.dispose([...saved, ...dys]);
      return Object.fromEntries(Object.entries(gradients).map(([name, gradient]) => [name, () => gradient]));
    },
  }) as Outputs;
}

/**
 * `f(inputs)` that keeps nothing but its inputs: the backward pass computes it again with a tape of its own (Chen et al.
 * 2016, Training deep nets with sublinear memory cost).
 *
 * @param inputs tensors that `f` is given; it may use no others made inside the differentiated function
 * @param isConstant which of them need no gradient
 * @param weights variables that `f` read and that get a gradient; asked for after it ran
 */
export function recomputed<Outputs extends tf.Tensor | tf.Tensor[]>(
  inputs: readonly tf.Tensor[],
  isConstant: (index: number) => boolean,
  weights: () => readonly tf.Tensor[],
  f: (inputs: tf.Tensor[]) => Outputs,
): Outputs {
  const moving = inputs.map((_, i) => i).filter((i) => !isConstant(i));
  const named = Object.fromEntries(moving.map((i) => [`input${i}`, inputs[i] as tf.Tensor]));
  return jointOp(
    named,
    (save) => {
      save([...inputs]);
      const outputs = f([...inputs]);
      for (const [i, weight] of weights().entries()) named[`weight${i}`] = weight;
      return outputs;
    },
    (dys, saved) => {
      const own = Object.values(named).slice(moving.length);
      const xs = [...moving.map((i) => saved[i] as tf.Tensor), ...own];
      const grads = gradientsApart(
        () => [f(saved)].flat(),
        () => xs,
        () => dys,
      );
      // Zeros where there is no way to an input.
      return Object.fromEntries(
        Object.keys(named).map((name, i) => [name, grads[i] ?? tf.zerosLike(xs[i] as tf.Tensor)]),
      );
    },
  );
}

/**
 * Gradients of `f` with a tape of its own, also while another function is being differentiated: nothing of it goes on the
 * tape of that one.
 *
 * @param xs asked for after `f` ran @param dysOf gives the gradients of the values of `f`
 * @returns for each of `xs`; undefined where no value depends on it
 */
export function gradientsApart(
  f: () => readonly tf.Tensor[],
  xs: () => readonly tf.Tensor[],
  dysOf: (values: readonly tf.Tensor[]) => readonly tf.Tensor[],
): (tf.Tensor | undefined)[] {
  const { state } = engine();
  const { activeTape, gradientDepth } = state;
  state.gradientDepth = 0;
  const all = [tf.scalar(0)]; // there must be one from the beginning
  let isDone = false;
  try {
    const run = () => {
      const values = f();
      all.push(...(xs() as tf.Scalar[]));
      return endOf(values, dysOf(values));
    };
    const { grads } = engine().gradients(run, all, null, true);
    isDone = true;
    return grads.slice(1);
  } finally {
    if (!isDone) for (const { saved } of state.activeTape ?? []) tf.dispose(saved);
    state.activeTape = activeTape;
    state.gradientDepth = gradientDepth;
  }
}

/** A scalar to start a backward pass from, in which these values have these gradients. */
function endOf(values: readonly tf.Tensor[], dys: readonly tf.Tensor[]): tf.Tensor {
  return jointOp(
    Object.fromEntries(values.map((y, i) => [`${i}`, y])),
    () => tf.scalar(0),
    () => Object.fromEntries(dys.map((dy, i) => [`${i}`, dy.clone()])), // operators may free what comes in
  );
}
