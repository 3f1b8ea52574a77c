import { ConfigError } from '../core/errors.js';
import { gradientPlan, type PartRunner } from '../models/gradientPlan.js';
import type { ModelConfig } from '../models/options.js';
import type { Parameters } from '../models/parameters.js';
import { bfloat16Obstacle, bfloat16Product, tf } from '../tf/index.js';
import type { TrainOptions } from './options.js';

export interface Gradients {
  readonly loss: number;
  /** Gradient of each weight that the loss depends on; owned by the caller. */
  readonly grads: Map<string, tf.Tensor>;
}

export interface GradientOptions {
  /**
   * Blocks keep little and are computed again in the backward pass: less memory, and faster where attention is large. With
   * `operators` only the large intermediate results of single operators are; without, nothing is.
   */
  readonly recompute: boolean | 'operators';
  /** The ViT's linear layers multiply in bfloat16; only where something is computed again, see `gradientOptions`. */
  readonly bfloat16?: boolean;
  /** Runs parts that are not computed again. */
  readonly runner?: PartRunner | undefined;
}

/**
 * Loss and gradients with respect to named weights. Weights that the loss does not reach are absent from the result.
 *
 * @param loss computes a scalar from the parameters; everything else it makes is freed
 */
export function gradientsOf(
  parameters: Parameters,
  names: readonly string[],
  loss: () => tf.Scalar,
  { recompute, bfloat16, runner }: GradientOptions = { recompute: true },
): Gradients {
  if (recompute === false && runner === undefined) return taped(parameters, names, loss);
  const plan = gradientPlan(names, {
    isLean: recompute !== false,
    recomputesParts: recompute === true,
    ...(bfloat16 === true ? { linear: bfloat16Product } : {}),
    runner,
  });
  return parameters.whilePlanned(plan, () => taped(parameters, names, loss));
}

function taped(parameters: Parameters, names: readonly string[], loss: () => tf.Scalar): Gradients {
  const nameOf = new Map(names.map((name) => [parameters.get(name).name, name]));
  const { value, grads } = tf.variableGrads(
    loss,
    names.map((name) => parameters.get(name)),
  );
  const named = new Map<string, tf.Tensor>();
  for (const [internal, gradient] of Object.entries(grads)) {
    const name = nameOf.get(internal);
    if (name === undefined || gradient === null) continue;
    named.set(name, gradient);
  }
  const scalar = value.dataSync()[0] ?? Number.NaN;
  value.dispose();
  return { loss: scalar, grads: named };
}

/** Tokens and queries up to which both ways take the same time and keeping everything fits anywhere. */
const SMALL = { tokens: 1024, queries: 500 };

/**
 * How gradients of a run are taken. `auto`: small models keep everything, which saves them an eighth of the CPU time, unless
 * they ask for bfloat16, which belongs to the blocks that are computed again.
 *
 * @param obstacleHere why this machine has no bfloat16; given by tests
 * @throws ConfigError when bfloat16 is asked for where it cannot be had
 */
export function gradientOptions(
  { recompute, bfloat16 }: Pick<TrainOptions, 'recompute' | 'bfloat16'>,
  config: ModelConfig,
  obstacleHere: () => string | undefined = bfloat16Obstacle,
): GradientOptions & { readonly recompute: boolean } {
  const obstacle = !bfloat16
    ? undefined
    : recompute === false
      ? 'bfloat16 is part of the blocks that are computed again, and train.recompute is false'
      : obstacleHere();
  if (obstacle !== undefined)
    throw new ConfigError(obstacle, { where: 'train.bfloat16', fix: 'leave train.bfloat16 out' });
  return { recompute: recompute === 'auto' ? bfloat16 || isLarge(config) : recompute, bfloat16 };
}

function isLarge({ vit, cellfinder }: ModelConfig): boolean {
  const queries =
    cellfinder.proposals === 'learned' ? cellfinder.numQueryPosition * cellfinder.numQueryPattern : 0;
  return (vit.imgSize / vit.patchSize) ** 2 > SMALL.tokens || queries > SMALL.queries;
}

/** Euclidean norm over all gradients together. */
export function globalNorm(grads: ReadonlyMap<string, tf.Tensor>): number {
  return Math.sqrt(
    tf.tidy(() => {
      const squares = [...grads.values()].map((g) => tf.tidy(() => g.square().sum()));
      return squares.length === 0 ? 0 : (tf.addN(squares).dataSync()[0] ?? 0);
    }),
  );
}
