import type { NamedArray } from '../../core/arrays.js';
import type { Parameters } from '../../models/parameters.js';
import { tf } from '../../tf/index.js';
import { createMoments, type Moments, SharedOfStep } from './moments.js';

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Decoupled decay of a weight; by name, because some recipes spare norms and biases. */
  readonly weightDecay: (name: string) => number;
}

/** What training needs of an optimiser. */
export type Optimiser = Pick<AdamW, 'apply' | 'dispose'>;

/**
 * AdamW (Loshchilov and Hutter 2019) with state keyed by the weight's name, as PyTorch defines it. TensorFlow.js's own
 * Adam keys by position among the gradients of a step and mixes up its state as soon as one weight gets none. Memory:
 * two moments for each weight, and one weight's worth while it is updated.
 */
export class AdamW {
  readonly #parameters: Parameters;
  readonly #options: AdamWOptions;
  readonly #state = new Map<string, { readonly moments: Moments; steps: number }>();

  constructor(parameters: Parameters, options: AdamWOptions) {
    this.#parameters = parameters;
    this.#options = options;
  }

  /**
   * One update; weights without a gradient stay as they are, without decay.
   *
   * @param scale multiplies every gradient (clipping) @param learningRate of a weight, by name
   */
  apply(grads: ReadonlyMap<string, tf.Tensor>, learningRate: (name: string) => number, scale = 1): void {
    const { eps, weightDecay, betas } = this.#options;
    const shared = new SharedOfStep();
    for (const [name, gradient] of grads) {
      const state = this.#stateOf(name, gradient.shape);
      state.steps += 1;
      const rates = {
        learningRate: learningRate(name),
        decay: weightDecay(name),
        betas,
        eps,
        step: state.steps,
      };
      const weight = this.#parameters.get(name);
      tf.tidy(() => {
        const g = scale === 1 ? gradient : gradient.mul(shared.scalar(scale));
        weight.assign(state.moments.update(weight, g, rates, shared));
      });
    }
    shared.dispose();
  }

  #stateOf(name: string, shape: number[]): { readonly moments: Moments; steps: number } {
    let state = this.#state.get(name);
    if (state === undefined) {
      state = { moments: createMoments(shape), steps: 0 };
      this.#state.set(name, state);
    }
    return state;
  }

  /** Everything that a checkpoint must hold. */
  save(): Map<string, NamedArray> {
    const arrays = new Map<string, NamedArray>();
    for (const [name, { moments, steps }] of this.#state) {
      const [first, second] = moments.read();
      const { shape } = this.#parameters.get(name);
      arrays.set(`${name}|first`, { shape, dtype: 'float32', data: first });
      arrays.set(`${name}|second`, { shape, dtype: 'float32', data: second });
      arrays.set(`${name}|steps`, { shape: [1], dtype: 'int32', data: Int32Array.of(steps) });
    }
    return arrays;
  }

  /** Takes up a state that `save` gave. */
  restore(arrays: ReadonlyMap<string, NamedArray>): void {
    for (const [key, { data }] of arrays) {
      const [name, part] = key.split('|') as [string, string];
      const state = this.#stateOf(name, this.#parameters.get(name).shape);
      if (part === 'steps') state.steps = Number(data[0]);
      else
        state.moments.write(part === 'first' ? 'first' : 'second', Float32Array.from(data as Float32Array));
    }
  }

  dispose(): void {
    for (const { moments } of this.#state.values()) moments.dispose();
    this.#state.clear();
  }
}
