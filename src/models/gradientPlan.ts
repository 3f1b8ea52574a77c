import { isNative, isTaping, noTape, type Product, product, recomputed, type tf } from '../tf/index.js';
import type { Weights } from './parameters.js';

/** What a backward pass with recomputation will ask for. */
export interface GradientPlan {
  /** Names of the weights that get a gradient. */
  readonly trained: ReadonlySet<string>;
  /** Tensors known to depend on no trained weight; what is not listed may depend on one. */
  readonly constants: WeakSet<tf.Tensor>;
  /** Names of the weights read since this was last emptied: a part's gradients go to what it used, and to nothing else. */
  readonly read: Set<string>;
  /** False: parts keep what they computed; layers still take the form with a backward pass of its own. */
  readonly recomputesParts: boolean;
  /** How the ViT's linear layers multiply, forward and backward. */
  readonly linear: Product;
}

export const gradientPlan = (
  trained: readonly string[],
  recomputesParts = true,
  linear: Product = product,
): GradientPlan => ({
  trained: new Set(trained),
  linear,
  constants: new WeakSet(),
  read: new Set(),
  recomputesParts,
});

/**
 * A part of a model that keeps only its inputs for the backward pass and is computed again there. Without trained weights
 * and without inputs that depend on any it leaves no trace at all. Outside of a plan it is just `f(inputs)`.
 *
 * @param inputs all tensors that `f` uses besides its weights
 * @param scopes all weights that `f` may use
 */
export function recomputedPart<Outputs extends tf.Tensor | tf.Tensor[]>(
  inputs: readonly tf.Tensor[],
  scopes: Weights | readonly Weights[],
  f: (inputs: tf.Tensor[]) => Outputs,
): Outputs {
  const plans = [scopes].flat().map((scope) => scope.plan?.());
  const plan = plans[0];
  if (plan === undefined) return f([...inputs]);
  const trained = new Map(plans.flatMap((p) => [...(p?.trainedBelow ?? [])]));
  const isConstant = (i: number) => isConstantTensor(plan, inputs[i] as tf.Tensor);
  if (trained.size === 0 && inputs.every((_, i) => isConstant(i))) {
    const outputs = noTape(() => f([...inputs]));
    for (const y of [outputs].flat()) plan.constants.add(y);
    return outputs;
  }
  if (!plan.recomputesParts) return f([...inputs]);
  let used: ReadonlySet<string> = new Set();
  const noting = (values: tf.Tensor[]): Outputs => {
    const before = new Set(plan.read);
    plan.read.clear();
    const outputs = f(values);
    used = new Set(plan.read);
    for (const name of before) plan.read.add(name);
    return outputs;
  };
  const usedWeights = () => [...trained].flatMap(([name, weight]) => (used.has(name) ? [weight] : []));
  return recomputed(inputs, isConstant, usedWeights, noting);
}

/** Integers and truth values never carry a gradient. */
const isConstantTensor = (plan: GradientPlan, x: tf.Tensor): boolean =>
  x.dtype !== 'float32' || plan.constants.has(x);

/**
 * Whether layers take the form with a backward pass of its own: inside a plan, and where nothing is differentiated. What
 * TensorFlow.js differentiates or traces by itself gets plain operations.
 */
export const isLean = (weights: Weights): boolean =>
  weights.plan?.() !== undefined || (isNative() && !isTaping());
