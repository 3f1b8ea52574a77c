import { noTape, recomputed, type tf } from '../tf/index.js';
import type { Weights } from './parameters.js';

/** What a backward pass with recomputation will ask for. */
export interface GradientPlan {
  /** Names of the weights that get a gradient. */
  readonly trained: ReadonlySet<string>;
  /** Tensors known to depend on no trained weight; what is not listed may depend on one. */
  readonly constants: WeakSet<tf.Tensor>;
}

export const gradientPlan = (trained: readonly string[]): GradientPlan => ({
  trained: new Set(trained),
  constants: new WeakSet(),
});

/**
 * A part of a model that keeps only its inputs for the backward pass and is computed again there. Without trained weights
 * and without inputs that depend on any it leaves no trace at all. Outside of a plan it is just `f(inputs)`.
 *
 * @param inputs all tensors that `f` uses besides its weights
 * @param weights all weights that `f` uses
 */
export function recomputedPart<Outputs extends tf.Tensor | tf.Tensor[]>(
  inputs: readonly tf.Tensor[],
  weights: Weights,
  f: (inputs: tf.Tensor[]) => Outputs,
): Outputs {
  const plan = weights.plan?.();
  if (plan === undefined) return f([...inputs]);
  const isConstant = (i: number) => isConstantTensor(plan, inputs[i] as tf.Tensor);
  if (plan.weights.size > 0 || inputs.some((_, i) => !isConstant(i)))
    return recomputed(inputs, isConstant, [...plan.weights.values()], f);
  const outputs = noTape(() => f([...inputs]));
  for (const y of [outputs].flat()) plan.constants.add(y);
  return outputs;
}

/** Integers and truth values never carry a gradient. */
const isConstantTensor = (plan: GradientPlan, x: tf.Tensor): boolean =>
  x.dtype !== 'float32' || plan.constants.has(x);
