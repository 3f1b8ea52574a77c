import type { NamedArray } from '../../core/arrays.js';
import type { Random } from '../../core/random.js';
import { Parameters } from '../../models/parameters.js';
import { tf } from '../../tf/index.js';
import type { Factors } from '../../weights/lowRank.js';
import { AdamW, type AdamWOptions, type Optimiser } from './adamw.js';
import { type Average, WeightAverage } from './average.js';

/** Adapters start at nothing and want larger steps than weights that are in place. */
const RATE = 4;

/**
 * Low-rank adapters (Hu et al. 2021, LoRA): a weight of `n` inputs and `m` outputs changes by a product `[n, r] [r, m]` only.
 * The gradients of both factors follow from the weight's own, `dDown = dW up^T` and `dUp = down^T dW`, so that every layer
 * stays as it is, and so does its backward pass; the weight in the model is `base + down up` at any time.
 */
export class LowRankAdapters {
  readonly names: readonly string[];
  readonly #parameters: Parameters;
  readonly #factors = new Parameters();
  readonly #base: ReadonlyMap<string, tf.Tensor>;

  /** @param names of matrices or convolutions @param rank of the changes, less where a weight is smaller */
  constructor(parameters: Parameters, names: readonly string[], rank: number, random: Random) {
    this.names = names;
    this.#parameters = parameters;
    this.#base = new Map(names.map((name) => [name, parameters.get(name).clone()]));
    for (const name of names) {
      const [inputs, outputs] = sizesOf(parameters.get(name).shape);
      const own = Math.min(rank, inputs, outputs);
      const drawn = random.split(name);
      const values = Float32Array.from({ length: inputs * own }, () => drawn.normal(0, inputs ** -0.5));
      this.#factors.add(`${name}|down`, tf.tensor2d(values, [inputs, own]));
      this.#factors.add(`${name}|up`, tf.zeros([own, outputs]));
    }
  }

  /** Optimises weights in full and these adapters, in one. */
  optimiser(options: AdamWOptions): Optimiser {
    const full = new AdamW(this.#parameters, options);
    const own = new AdamW(this.#factors, { ...options, weightDecay: () => 0 });
    const adapted = new Set(this.names);
    return {
      apply: (grads, rate, scale) => {
        full.apply(new Map([...grads].filter(([name]) => !adapted.has(name))), rate, scale);
        const factors = this.#gradients(grads);
        own.apply(factors, (name) => RATE * rate(name.slice(0, name.lastIndexOf('|'))), scale);
        tf.dispose([...factors.values()]);
        this.#write();
      },
      dispose: () => {
        full.dispose();
        own.dispose();
      },
    };
  }

  /** Averages weights that are trained in full, and factors; the product of averages stays of low rank. */
  average(names: readonly string[], decay: number): Average {
    const full = new WeightAverage(this.#parameters, names, decay);
    const own = new WeightAverage(this.#factors, this.#factors.names(), decay);
    const swapped = async <T>(f: () => Promise<T>): Promise<T> => {
      this.#write();
      return await f();
    };
    return {
      update: (step) => {
        full.update(step);
        own.update(step);
      },
      during: async (f) => {
        try {
          return await full.during(() => own.during(() => swapped(f)));
        } finally {
          this.#write();
        }
      },
      settle: () => {
        full.settle();
        own.settle();
        this.#write();
      },
      dispose: () => {
        full.dispose();
        own.dispose();
      },
    };
  }

  /** The factors as they are, by the weight's name. */
  read(): Map<string, Factors> {
    const array = (factor: tf.Tensor, shape: number[]): NamedArray => ({
      shape,
      dtype: 'float32',
      data: Float32Array.from(factor.dataSync()),
    });
    return new Map(
      [...this.#base].map(([name, { shape }]) => {
        const [down, up] = this.#pair(name);
        const window = [...shape.slice(0, -1), down.shape[1]];
        return [name, { down: array(down, window), up: array(up, up.shape) }];
      }),
    );
  }

  dispose(): void {
    this.#factors.dispose();
    tf.dispose([...this.#base.values()]);
  }

  #gradients(grads: ReadonlyMap<string, tf.Tensor>): Map<string, tf.Tensor> {
    const found = new Map<string, tf.Tensor>();
    for (const name of this.names) {
      const whole = grads.get(name);
      if (whole === undefined) continue;
      tf.tidy(() => {
        const gradient = whole.reshape(sizesOf(whole.shape)) as tf.Tensor2D;
        const [down, up] = this.#pair(name);
        found.set(`${name}|down`, tf.keep(tf.matMul(gradient, up, false, true)));
        found.set(`${name}|up`, tf.keep(tf.matMul(down, gradient, true, false)));
      });
    }
    return found;
  }

  /** Brings the products into the model. */
  #write(): void {
    for (const [name, base] of this.#base) {
      tf.tidy(() => {
        const change = tf.matMul(...this.#pair(name)).reshape(base.shape);
        this.#parameters.assign(name, base.add(change));
      });
    }
  }

  #pair(name: string): [tf.Tensor2D, tf.Tensor2D] {
    return ['down', 'up'].map((which) => this.#factors.get(`${name}|${which}`)) as unknown as [
      tf.Tensor2D,
      tf.Tensor2D,
    ];
  }
}

/** `[inputs, outputs]` of a matrix, or of a convolution's window and inputs together. */
function sizesOf(shape: readonly number[]): [number, number] {
  const outputs = shape.at(-1) as number;
  return [shape.slice(0, -1).reduce((a, b) => a * b, 1), outputs];
}
