import { isNative, isTaping, noTape, type Product, product, recomputed, type tf } from '../tf/index.js';
import type { WeightPlan, Weights } from './parameters.js';

/** A part of a model: a function of tensors and weights that depends on nothing else. */
export interface ModelPart {
  /** With the shapes of the inputs it tells what is computed: its kind and options. */
  readonly name: string;
  readonly inputs: readonly tf.Tensor[];
  readonly isConstant: (index: number) => boolean;
  readonly weights: Weights;
  /** How the gradients of these weights are taken. */
  readonly plan: WeightPlan;
  readonly f: (inputs: tf.Tensor[], weights: Weights) => tf.Tensor[];
}

/** Runs parts, with their gradients, in a way of its own. */
export interface PartRunner {
  /** Undefined for a part that is to be run plainly. */
  run(part: ModelPart): tf.Tensor[] | undefined;
  /** Between steps: makes ready what was met for the first time. @returns whether there was any */
  ready(): Promise<boolean>;
}

/** How gradients are taken. */
export interface GradientPlan {
  /** Names of the weights that get a gradient. */
  readonly trained: ReadonlySet<string>;
  /** Tensors known to depend on no trained weight; what is not listed may depend on one. */
  readonly constants: WeakSet<tf.Tensor>;
  /** Names of the weights read since this was last emptied: a part's gradients go to what it used, and to nothing else. */
  readonly read: Set<string>;
  /** Whether layers take the form with a backward pass of its own. */
  readonly isLean: boolean;
  /** Whether parts are computed again in the backward pass; else they keep what they computed. */
  readonly recomputesParts: boolean;
  /** How the ViT's linear layers multiply, forward and backward. */
  readonly linear: Product;
  /** Runs parts that are not computed again, where there is one. */
  readonly runner: PartRunner | undefined;
}

export const gradientPlan = (
  trained: readonly string[],
  options: Partial<Pick<GradientPlan, 'isLean' | 'recomputesParts' | 'linear' | 'runner'>> = {},
): GradientPlan => ({
  trained: new Set(trained),
  constants: new WeakSet(),
  read: new Set(),
  isLean: options.isLean ?? true,
  recomputesParts: options.recomputesParts ?? true,
  linear: options.linear ?? product,
  runner: options.runner,
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

/**
 * A part of a model that the plan's runner may take over. Outside of a plan, and where the plan has none, it is just
 * `f(inputs, weights)`.
 *
 * @param name with the shapes of the inputs it tells what `f` computes: its kind and options
 * @param inputs all tensors that `f` uses besides its weights @param f reads weights from what it is given only
 */
export function runPart(
  name: string,
  inputs: readonly tf.Tensor[],
  weights: Weights,
  f: ModelPart['f'],
): tf.Tensor[] {
  const plan = weights.plan?.();
  if (plan?.runner === undefined || plan.recomputesParts) return f([...inputs], weights);
  const isConstant = (i: number) => isConstantTensor(plan, inputs[i] as tf.Tensor);
  return plan.runner.run({ name, inputs, isConstant, plan, weights, f }) ?? f([...inputs], weights);
}

/** One of several layers alike: computed again where parts are; elsewhere the plan's runner may take it over. */
export const layerPart = <Output extends tf.Tensor>(
  name: string,
  inputs: readonly tf.Tensor[],
  weights: Weights,
  f: (inputs: tf.Tensor[], weights: Weights) => Output,
): Output =>
  recomputedPart(
    inputs,
    weights,
    (given) => runPart(name, given, weights, (own, scope) => [f(own, scope)])[0] as Output,
  );

/** Integers and truth values never carry a gradient. */
const isConstantTensor = (plan: GradientPlan, x: tf.Tensor): boolean =>
  x.dtype !== 'float32' || plan.constants.has(x);

/**
 * Whether layers take the form with a backward pass of its own: where a plan says so, and where nothing is differentiated.
 * What TensorFlow.js differentiates or traces by itself gets plain operations.
 */
export const isLean = (weights: Weights): boolean => weights.plan?.()?.isLean ?? (isNative() && !isTaping());
