import { tf } from '../../tf/index.js';
import type { ConstantData } from './graph.js';

/** The parts of TensorFlow.js's engine through which every kernel, tensor and read goes, on every backend. */
export interface EngineInternals {
  runKernelFunc(parameters: {
    kernelName?: string;
    inputs: Record<string, tf.Tensor>;
    attrs?: Record<string, unknown>;
  }): tf.Tensor | tf.Tensor[];
  makeTensor(...args: unknown[]): tf.Tensor;
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
}

export const engineOf = (): EngineInternals => tf.engine() as unknown as EngineInternals;

// biome-ignore lint/suspicious/noExplicitAny: any function fits
type AnyFunction = (...args: any[]) => any;

/** Methods replaced for a while; `undo` puts back what was there. */
export class Hooks {
  readonly #undo: (() => void)[] = [];

  /** `make` is given the original, bound to the object unless that is a prototype with its own `this`. */
  patch<Target extends object, Key extends keyof Target & string>(
    target: Target,
    key: Key,
    make: (original: Target[Key] & AnyFunction) => Target[Key] & AnyFunction,
  ): void {
    const isOwn = Object.hasOwn(target, key);
    const original = target[key];
    const isPrototype = Object.hasOwn(target, 'constructor');
    const bound = isPrototype ? original : (original as AnyFunction).bind(target);
    target[key] = make(bound as Target[Key] & AnyFunction);
    this.#undo.push(() => {
      if (isOwn) target[key] = original;
      else delete (target as Partial<Target>)[key];
    });
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
    this.#undo.length = 0;
  }
}

/** A tensor with a shape and no contents; it can be disposed of like any other. */
export function hollow(engine: EngineInternals, shape: readonly number[], dtype: tf.DataType): tf.Tensor {
  const dataId = {};
  const backend = tf.backend() as unknown as {
    move(id: object, values: null, shape: readonly number[], dtype: string, references: number): void;
  };
  backend.move(dataId, null, shape, dtype, 1);
  return engine.makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype });
}

/** Contents by buffer, so that all traces of one model share one copy of its weights. */
const contents = new WeakMap<object, ConstantData>();

export function contentsOf(t: tf.Tensor): ConstantData {
  const known = contents.get(t.dataId);
  if (known !== undefined) return known;
  const data = (tf.backend() as unknown as { readSync(id: object): ConstantData }).readSync(t.dataId).slice();
  contents.set(t.dataId, data);
  return data;
}
