import { isNative, Resource, resourceAdam, tf } from '../../tf/index.js';

/** What one update needs besides the weight and its gradient. */
export interface UpdateRates {
  readonly learningRate: number;
  /** Decoupled weight decay; multiplied by the learning rate. */
  readonly decay: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Updates of this weight, this one included; counts from 1. */
  readonly step: number;
}

/** The two running moments of one weight. */
export interface Moments {
  /** The updated weight; the moments change in place. To be called in a `tidy`. */
  update(weight: tf.Tensor, gradient: tf.Tensor, rates: UpdateRates, shared: SharedOfStep): tf.Tensor;
  read(): [first: Float32Array, second: Float32Array];
  write(moment: 'first' | 'second', values: Float32Array): void;
  dispose(): void;
}

/** What the updates of one step share, so that it is made once and not for every weight. */
export class SharedOfStep {
  readonly #scalars = new Map<number, tf.Scalar>();
  #scratch: Resource | undefined;

  readonly scalar = (value: number): tf.Scalar => {
    let scalar = this.#scalars.get(value);
    if (scalar === undefined) {
      scalar = tf.keep(tf.scalar(value));
      this.#scalars.set(value, scalar);
    }
    return scalar;
  };

  /** The one place where weights are updated, one after the other. */
  scratch(value: tf.Tensor): Resource {
    if (this.#scratch === undefined) this.#scratch = new Resource(value);
    else this.#scratch.assign(value);
    return this.#scratch;
  }

  dispose(): void {
    this.#scratch?.dispose();
    tf.dispose([...this.#scalars.values()]);
  }
}

/** Zero moments: with TensorFlow's fused update where there is TensorFlow, composed elsewhere. */
export function createMoments(shape: readonly number[]): Moments {
  return isNative() ? new NativeMoments(shape) : new PortableMoments(shape);
}

/** TensorFlow's own update kernel on resource variables: 7 times faster than the composed form, without temporaries. */
export class NativeMoments implements Moments {
  readonly #shape: readonly number[];
  readonly #first: Resource;
  readonly #second: Resource;

  constructor(shape: readonly number[]) {
    this.#shape = shape;
    [this.#first, this.#second] = [zeroResource(shape), zeroResource(shape)];
  }

  update(weight: tf.Tensor, gradient: tf.Tensor, rates: UpdateRates, shared: SharedOfStep): tf.Tensor {
    const left = 1 - rates.learningRate * rates.decay;
    const decayed = left === 1 ? weight : weight.mul(shared.scalar(left));
    const updated = shared.scratch(decayed);
    if (decayed !== weight) decayed.dispose(); // or the update would copy what both share
    resourceAdam(updated, this.#first, this.#second, gradient, shared.scalar, rates);
    return updated.read();
  }

  read(): [Float32Array, Float32Array] {
    const values = (moment: Resource) => tf.tidy(() => Float32Array.from(moment.read().dataSync()));
    return [values(this.#first), values(this.#second)];
  }

  write(moment: 'first' | 'second', values: Float32Array): void {
    const resource = moment === 'first' ? this.#first : this.#second;
    tf.tidy(() => resource.assign(tf.tensor(values, [...this.#shape]).add(0)));
  }

  dispose(): void {
    this.#first.dispose();
    this.#second.dispose();
  }
}

/** The same in plain operations. */
export class PortableMoments implements Moments {
  readonly #first: tf.Variable;
  readonly #second: tf.Variable;

  constructor(shape: readonly number[]) {
    [this.#first, this.#second] = [zeros(shape), zeros(shape)];
  }

  update(weight: tf.Tensor, g: tf.Tensor, rates: UpdateRates): tf.Tensor {
    const [b1, b2] = rates.betas;
    this.#first.assign(this.#first.mul(b1).add(g.mul(1 - b1)));
    this.#second.assign(this.#second.mul(b2).add(g.square().mul(1 - b2)));
    const deviation = this.#second.sqrt().div(Math.sqrt(1 - b2 ** rates.step));
    const direction = this.#first.div(deviation.add(rates.eps));
    const kept = weight.mul(1 - rates.learningRate * rates.decay);
    return kept.sub(direction.mul(rates.learningRate / (1 - b1 ** rates.step)));
  }

  read(): [Float32Array, Float32Array] {
    return [Float32Array.from(this.#first.dataSync()), Float32Array.from(this.#second.dataSync())];
  }

  write(moment: 'first' | 'second', values: Float32Array): void {
    const variable = moment === 'first' ? this.#first : this.#second;
    tf.tidy(() => variable.assign(tf.tensor(values, variable.shape).add(0)));
  }

  dispose(): void {
    tf.dispose([this.#first, this.#second]);
  }
}

function zeroResource(shape: readonly number[]): Resource {
  const value = tf.zeros([...shape]);
  const resource = new Resource(value);
  value.dispose(); // the first update would copy what both share
  return resource;
}

function zeros(shape: readonly number[]): tf.Variable {
  return tf.tidy(() => tf.variable(tf.zeros([...shape]), false));
}
