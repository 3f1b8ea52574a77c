import type { NamedArray } from '../../core/arrays.js';
import type { Parameters } from '../../models/parameters.js';
import { tf } from '../../tf/index.js';

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Decoupled decay of a weight; by name, because some recipes spare norms and biases. */
  readonly weightDecay: (name: string) => number;
}

interface Moments {
  readonly first: tf.Variable;
  readonly second: tf.Variable;
  steps: number;
}

/**
 * AdamW (Loshchilov and Hutter 2019) with state keyed by the weight's name, as PyTorch defines it. TensorFlow.js's own
 * Adam keys by position among the gradients of a step and mixes up its state as soon as one weight gets none.
 */
export class AdamW {
  readonly #parameters: Parameters;
  readonly #options: AdamWOptions;
  readonly #moments = new Map<string, Moments>();

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
    for (const [name, gradient] of grads) this.#update(name, gradient, learningRate(name), scale);
  }

  #update(name: string, gradient: tf.Tensor, learningRate: number, scale: number): void {
    const { eps, weightDecay } = this.#options;
    const [b1, b2] = this.#options.betas;
    const weight = this.#parameters.get(name);
    const state = this.#stateOf(name, gradient.shape);
    state.steps += 1;
    tf.tidy(() => {
      const g = scale === 1 ? gradient : gradient.mul(scale);
      const first = state.first.mul(b1).add(g.mul(1 - b1));
      const second = state.second.mul(b2).add(g.square().mul(1 - b2));
      state.first.assign(first);
      state.second.assign(second);
      const rootOfCorrection = Math.sqrt(1 - b2 ** state.steps);
      const direction = first.div(second.sqrt().div(rootOfCorrection).add(eps));
      const kept = weight.mul(1 - learningRate * weightDecay(name));
      weight.assign(kept.sub(direction.mul(learningRate / (1 - b1 ** state.steps))));
    });
  }

  #stateOf(name: string, shape: number[]): Moments {
    let state = this.#moments.get(name);
    if (state === undefined) {
      state = { first: zeros(shape), second: zeros(shape), steps: 0 };
      this.#moments.set(name, state);
    }
    return state;
  }

  /** Everything that a checkpoint must hold. */
  save(): Map<string, NamedArray> {
    const arrays = new Map<string, NamedArray>();
    for (const [name, { first, second, steps }] of this.#moments) {
      const array = (t: tf.Variable): NamedArray => ({
        shape: t.shape,
        dtype: 'float32',
        data: Float32Array.from(t.dataSync()),
      });
      arrays.set(`${name}|first`, array(first));
      arrays.set(`${name}|second`, array(second));
      arrays.set(`${name}|steps`, { shape: [1], dtype: 'int32', data: Int32Array.of(steps) });
    }
    return arrays;
  }

  /** Takes up a state that `save` gave. */
  restore(arrays: ReadonlyMap<string, NamedArray>): void {
    for (const [key, { shape, data }] of arrays) {
      const [name, part] = key.split('|') as [string, string];
      const state = this.#stateOf(name, this.#parameters.get(name).shape);
      if (part === 'steps') state.steps = Number(data[0]);
      else {
        const value = tf.tensor(data as Float32Array, [...shape]);
        (part === 'first' ? state.first : state.second).assign(value);
        value.dispose();
      }
    }
  }

  dispose(): void {
    for (const { first, second } of this.#moments.values()) tf.dispose([first, second]);
    this.#moments.clear();
  }
}

function zeros(shape: number[]): tf.Variable {
  const value = tf.zeros(shape);
  const variable = tf.variable(value, false);
  value.dispose();
  return variable;
}
