import { WeightsError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import { tf } from '../tf/index.js';
import type { GradientPlan } from './gradientPlan.js';

/** Read access to named weights, seen from a prefix: what the pure functions of the layers are given. */
export interface Weights {
  /** The tensor in TensorFlow's layout (`[in, out]`, `[kh, kw, in, out]`). @throws WeightsError when there is none */
  get(name: string): tf.Tensor;
  has(name: string): boolean;
  /** The same weights with `prefix.` put before every name. */
  scope(prefix: string): Weights;
  /** How gradients are taken just now; absent outside of a backward pass with recomputation. */
  plan?(): WeightPlan | undefined;
}

/**
 * Weights that are looked up by their names below `prefix`.
 *
 * @throws WeightsError from `get` when there is none of the name
 */
export function weightsOf(find: (name: string) => tf.Tensor | undefined, prefix = ''): Weights {
  return {
    get: (name) => {
      const weight = find(prefix + name);
      if (weight === undefined) throw new WeightsError(`there is no weight \`${prefix}${name}\``);
      return weight;
    },
    has: (name) => find(prefix + name) !== undefined,
    scope: (inner) => weightsOf(find, `${prefix}${inner}.`),
  };
}

/** A gradient plan, seen from a prefix. */
export interface WeightPlan extends GradientPlan {
  /** Names of the trained weights below the prefix, without it. */
  readonly names: ReadonlySet<string>;
  /** Those weights by their full names. */
  readonly trainedBelow: ReadonlyMap<string, tf.Variable>;
}

/**
 * All weights of a model, keyed by the published checkpoint's names, each a `tf.Variable` in TensorFlow's layout.
 *
 * TensorFlow.js's own variable names are numbered per process and mean nothing; only the keys here do.
 */
export class Parameters implements Weights {
  readonly #variables = new Map<string, tf.Variable>();
  #plan: GradientPlan | undefined;

  /** Takes ownership of the tensors. `isTrainable` false marks buffers such as the Fourier matrix. */
  add(name: string, value: tf.Tensor, isTrainable = true): void {
    if (this.#variables.has(name)) throw new WeightsError(`the weight \`${name}\` exists already`);
    this.#variables.set(name, tf.variable(value, isTrainable));
    value.dispose();
  }

  get(name: string): tf.Variable {
    this.#plan?.read.add(name);
    const variable = this.#variables.get(name);
    if (variable === undefined) {
      throw new WeightsError(
        `the model has no weight \`${name}\`${didYouMean(name, this.#variables.keys())}`,
      );
    }
    return variable;
  }

  has(name: string): boolean {
    return this.#variables.has(name);
  }

  names(): readonly string[] {
    return [...this.#variables.keys()];
  }

  scope(prefix: string): Weights {
    return {
      get: (name) => this.get(`${prefix}.${name}`),
      has: (name) => this.has(`${prefix}.${name}`),
      scope: (inner) => this.scope(`${prefix}.${inner}`),
      plan: () => this.#planOf(`${prefix}.`),
    };
  }

  plan(): WeightPlan | undefined {
    return this.#planOf('');
  }

  /** Lets layers compute their blocks again in the backward pass of what `f` builds, for these trained weights. */
  whilePlanned<T>(plan: GradientPlan, f: () => T): T {
    this.#plan = plan;
    try {
      return f();
    } finally {
      this.#plan = undefined;
    }
  }

  #planOf(prefix: string): WeightPlan | undefined {
    if (this.#plan === undefined) return undefined;
    const below = [...this.#plan.trained].filter((name) => name.startsWith(prefix));
    const of = (name: string) => this.#variables.get(name) as tf.Variable;
    return {
      ...this.#plan,
      names: new Set(below.map((name) => name.slice(prefix.length))),
      trainedBelow: new Map(below.map((name) => [name, of(name)])),
    };
  }

  /** Copies new values into a weight; shapes must agree. */
  assign(name: string, value: tf.Tensor): void {
    this.get(name).assign(value);
  }

  dispose(): void {
    for (const variable of this.#variables.values()) variable.dispose();
    this.#variables.clear();
  }
}
