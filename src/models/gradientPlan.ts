import { isNative, isTaping, noTape, type Product, product, recomputed, type tf } from '../tf/index.js';
import type { WeightPlan, Weights } from './parameters.js';

/** A part of a model that computes one tensor. */
export interface Part {
  /** With the shapes of the inputs it tells what is computed: its kind and options. */
  readonly name: string;
  readonly inputs: readonly tf.Tensor[];
  readonly isConstant: (index: number) => boolean;
  /** All weights that `f` may use, and how their gradients are taken. */
  readonly weights: Weights;
  readonly plan: WeightPlan;
  readonly f: (inputs: tf.Tensor[]) => tf.Tensor;
}

/** Runs parts, with their gradients, in a way of its own; undefined for one that is to be run plainly. */
export interface PartRunner {
  run(part: Part): tf.Tensor | undefined;
}

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
  /** Runs what keeps its activations. */
  readonly runner: PartRunner | undefined;
}

export const gradientPlan = (
  trained: readonly string[],
  recomputesParts = true,
  linear: Product = product,
  runner?: PartRunner,
): GradientPlan => ({
  runner,
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
 * @param name by which the plan's runner knows the part, one of a single scope and result; without one it is run plainly
 */
export function recomputedPart<Outputs extends tf.Tensor | tf.Tensor[]>(
  inputs: readonly tf.Tensor[],
  scopes: Weights | readonly Weights[],
  f: (inputs: tf.Tensor[]) => Outputs,
  name?: string,
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
  if (!plan.recomputesParts) {
    if (name === undefined) return f([...inputs]);
    const part = { name, inputs, isConstant, plan, weights: scopes as Weights, f: f as Part['f'] };
    return (plan.runner?.run(part) as Outputs | undefined) ?? f([...inputs]);
  }
  let used: ReadonlySet<string> = new Set();
  const noting = (values: tf.Tensor[]): Outputs => {
    const { outputs, read } = readBy(plan, () => f(values));
    used = read;
    return outputs;
  };
  const usedWeights = () => [...trained].flatMap(([name, weight]) => (used.has(name) ? [weight] : []));
  return recomputed(inputs, isConstant, usedWeights, noting);
}

/** Runs `f` and tells which weights it read, by their full names. */
export function readBy<Outputs>(
  { read }: GradientPlan,
  f: () => Outputs,
): { readonly outputs: Outputs; readonly read: ReadonlySet<string> } {
  const before = new Set(read);
  read.clear();
  const outputs = f();
  const own = new Set(read);
  for (const name of before) read.add(name);
  return { outputs, read: own };
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
