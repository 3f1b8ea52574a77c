import type { NamedArray } from '../../core/arrays.js';
import type { Parameters } from '../../models/parameters.js';
import { tf } from '../../tf/index.js';

/** What training needs of a running average. */
export type Average = Pick<WeightAverage, 'update' | 'during' | 'settle' | 'dispose'>;

/** Exponential running average of the trained weights; young averages forget faster, so that they are useful early. */
export class WeightAverage {
  readonly #parameters: Parameters;
  readonly #decay: number;
  readonly #averages: Map<string, tf.Variable>;

  constructor(parameters: Parameters, names: readonly string[], decay: number) {
    this.#parameters = parameters;
    this.#decay = decay;
    this.#averages = new Map(
      names.map((name) => [name, tf.tidy(() => tf.variable(parameters.get(name).add(0), false))]),
    );
  }

  update(step: number): void {
    const decay = Math.min(this.#decay, (1 + step) / (10 + step));
    tf.tidy(() => {
      for (const [name, average] of this.#averages)
        average.assign(average.mul(decay).add(this.#parameters.get(name).mul(1 - decay)));
    });
  }

  /** Puts the averages into the model while `f` runs, then the weights back. */
  async during<T>(f: () => Promise<T>): Promise<T> {
    this.#swap();
    try {
      return await f();
    } finally {
      this.#swap();
    }
  }

  /** Puts the averages into the model for good; the weights as they were last are given up. */
  settle(): void {
    this.#swap();
  }

  #swap(): void {
    for (const [name, average] of this.#averages) {
      const weight = this.#parameters.get(name);
      tf.tidy(() => {
        const kept = weight.add(0);
        weight.assign(average.add(0));
        average.assign(kept);
      });
    }
  }

  save(): Map<string, NamedArray> {
    return new Map(
      [...this.#averages].map(([name, t]) => [
        name,
        { shape: t.shape, dtype: 'float32', data: Float32Array.from(t.dataSync()) },
      ]),
    );
  }

  restore(arrays: ReadonlyMap<string, NamedArray>): void {
    tf.tidy(() => {
      for (const [name, { shape, data }] of arrays)
        this.#averages.get(name)?.assign(tf.tensor(data as Float32Array, [...shape]));
    });
  }

  dispose(): void {
    tf.dispose([...this.#averages.values()]);
  }
}
