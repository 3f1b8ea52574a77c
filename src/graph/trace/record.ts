import { ExportError } from '../../core/errors.js';
import { type EngineInternals, engine, tf } from '../../tf/index.js';
import { Hooks } from '../hooks.js';
import type { ConstantData, ElementType } from './graph.js';
import { contentsOf, hollow } from './hollow.js';
import { shapeRules } from './shapes.js';

/** Results of more numbers are not computed in a dry run, also where they follow from constants alone. */
const LARGE = 2 ** 22;

export type NamedTensors = Readonly<Record<string, tf.Tensor>>;

/** One kernel as it was executed. */
export interface RecordedNode {
  readonly kernel: string;
  readonly scope: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, number>>;
  readonly outputs: readonly number[];
}

/** One concrete run. Keys of the maps are value ids, the same in every run of one program. */
export interface Trace {
  readonly nodes: readonly RecordedNode[];
  readonly consts: ReadonlyMap<number, { name: string; isWeight: boolean; data: ConstantData }>;
  readonly values: ReadonlyMap<number, { shape: readonly number[]; dtype: ElementType }>;
  readonly inputs: Readonly<Record<string, number>>;
  readonly outputs: Readonly<Record<string, number>>;
}

export interface RecordOptions {
  /** Compute nothing that depends on an input or is large: such tensors have a shape and no contents. */
  readonly isDry: boolean;
  /** Published names of weights by the ids of their variables. */
  readonly weightNames: ReadonlyMap<number, string>;
}

/**
 * Runs a function once and notes each kernel that TensorFlow.js executes.
 *
 * @throws ExportError where the function does what a graph cannot hold: reads values of its inputs, makes numbers from
 *   nothing known, or runs kernels past TensorFlow.js
 */
export function record(
  run: (inputs: NamedTensors) => NamedTensors,
  inputs: NamedTensors,
  options: RecordOptions,
): Trace {
  const recorder = new Recorder(options);
  const hooks = new Hooks();
  try {
    recorder.hook(hooks);
    return recorder.trace(run, inputs);
  } finally {
    hooks.undo();
  }
}

class Recorder {
  readonly #options: RecordOptions;
  readonly #engine: EngineInternals = engine();
  readonly #nodes: RecordedNode[] = [];
  readonly #consts = new Map<number, { name: string; isWeight: boolean; data: ConstantData }>();
  readonly #values = new Map<number, { shape: readonly number[]; dtype: ElementType }>();
  /** By tensor id, never by data id: clones and reshapes share data between tensors. */
  readonly #ids = new Map<number, number>();
  /** Data that depends on an input. */
  readonly #live = new WeakSet<object>();
  /** Data that must not be read: live, or not computed. */
  readonly #closed = new WeakSet<object>();
  /** Tensors made from host values during the trace. */
  readonly #hostMade = new Set<number>();
  readonly #layers: string[] = [];
  #lastWeight = '';
  #depth = 0;
  #leak: ExportError | undefined;
  /** Tensors with a smaller id were there before. */
  readonly #firstId = tf.tidy(() => tf.scalar(0).id);

  constructor(options: RecordOptions) {
    this.#options = options;
  }

  hook(hooks: Hooks): void {
    const engine = this.#engine;
    hooks.patch(engine, 'runKernelFunc', (original) => (parameters) => {
      // A custom gradient has no kernel name: what it calls is recorded. A kernel that calls kernels is one node.
      if (parameters.kernelName === undefined || this.#depth > 0) return original(parameters);
      return this.#kernel(parameters.kernelName, parameters.inputs, parameters.attrs ?? {}, () =>
        original(parameters),
      );
    });
    hooks.patch(engine, 'makeTensor', (original) => (...args) => {
      const tensor = original(...args);
      if (this.#depth === 0) this.#hostMade.add(tensor.id);
      return tensor;
    });
    for (const name of ['read', 'readSync'] as const) {
      hooks.patch(engine, name, (original) => (dataId) => {
        if (this.#depth === 0 && this.#closed.has(dataId)) {
          const what = this.#live.has(dataId)
            ? 'a value that depends on an input'
            : `a value of more than ${LARGE} numbers`;
          this.#leak ??= new ExportError(
            `${what} is read on the host${this.#where()}: a graph cannot hold that`,
          );
          throw this.#leak;
        }
        return original(dataId);
      });
    }
    const backend = tf.backend() as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of ['executeSingleOutput', 'executeMultipleOutputs']) {
      if (backend[name] === undefined) continue;
      hooks.patch(backend, name, (original) => (...args) => {
        const ins = args[2] as readonly tf.Tensor[];
        if (this.#depth === 0 && ins.some((t) => this.#closed.has(t.dataId)))
          throw new ExportError(`\`${String(args[0])}\` is run past TensorFlow.js${this.#where()}`, {
            fix: 'give the operation a portable form and use it while isPortable()',
          });
        return original(...args);
      });
    }
    const layers = this.#layers;
    type Apply = (this: tf.layers.Layer, ...args: unknown[]) => unknown;
    const prototype = tf.layers.Layer.prototype as unknown as { apply: Apply };
    hooks.patch(
      prototype,
      'apply',
      (original) =>
        function (this: tf.layers.Layer, ...args: unknown[]) {
          layers.push(this.name);
          try {
            return original.apply(this, args);
          } finally {
            layers.pop();
          }
        },
    );
  }

  trace(run: (inputs: NamedTensors) => NamedTensors, inputs: NamedTensors): Trace {
    const ids: Record<string, number> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      ids[name] = this.#define(tensor);
      this.#live.add(tensor.dataId);
      this.#closed.add(tensor.dataId);
    }
    const outputs: Record<string, number> = {};
    tf.tidy(() => {
      const results = run(inputs);
      if (this.#leak !== undefined) throw this.#leak; // also where the program caught it
      for (const [name, tensor] of Object.entries(results)) {
        if (!this.#live.has(tensor.dataId))
          throw new ExportError(`the output \`${name}\` depends on no input`);
        outputs[name] = this.#use(tensor);
      }
    });
    return { nodes: this.#nodes, consts: this.#consts, values: this.#values, inputs: ids, outputs };
  }

  #kernel(
    name: string,
    inputs: Record<string, tf.Tensor>,
    given: Record<string, unknown>,
    original: () => tf.Tensor | tf.Tensor[],
  ): tf.Tensor | tf.Tensor[] {
    const attrs = withAxes(given, Object.values(inputs)[0]);
    const list = Object.entries(inputs).filter(([, t]) => t !== null && t !== undefined);
    const isLive = list.some(([, t]) => this.#live.has(t.dataId));
    const isClosed = list.some(([, t]) => this.#closed.has(t.dataId));
    const used = Object.fromEntries(list.map(([key, t]) => [key, this.#use(t)]));
    const empty = this.#options.isDry ? this.#hollow(name, inputs, attrs, isClosed) : undefined;
    const out = empty ?? this.#atomic(original);
    const outs = Array.isArray(out) ? out : [out];
    this.#nodes.push({
      kernel: name,
      scope: [...this.#layers, this.#lastWeight].filter((s) => s !== '').join('/'),
      attrs: structuredClone(attrs),
      inputs: used,
      outputs: outs.map((t) => this.#define(t)),
    });
    if (isLive) for (const t of outs) this.#live.add(t.dataId);
    if (isLive || empty !== undefined) for (const t of outs) this.#closed.add(t.dataId);
    return out;
  }

  /** Results with a shape alone; undefined where they can be computed, since all inputs can be read, and are not large. */
  #hollow(
    name: string,
    inputs: Record<string, tf.Tensor>,
    attrs: Record<string, unknown>,
    isClosed: boolean,
  ): tf.Tensor | tf.Tensor[] | undefined {
    const rule = shapeRules[name];
    if (rule === undefined && !isClosed) return undefined;
    if (rule === undefined)
      throw new ExportError(`the kernel \`${name}\`${this.#where()} has no rule for its shape`, {
        fix: 'add one to src/graph/trace/shapes.ts',
      });
    const results = rule(inputs, attrs);
    if (!isClosed && results.every(({ shape }) => tf.util.sizeFromShape([...shape]) <= LARGE))
      return undefined;
    const made = results.map(({ shape, dtype }) => hollow(shape, dtype));
    return made.length === 1 ? (made[0] as tf.Tensor) : made;
  }

  #atomic<T>(f: () => T): T {
    this.#depth++;
    try {
      return f();
    } finally {
      this.#depth--;
    }
  }

  #define(t: tf.Tensor): number {
    const id = this.#values.size;
    this.#ids.set(t.id, id);
    this.#values.set(id, { shape: [...t.shape], dtype: t.dtype as ElementType });
    return id;
  }

  /** The id of a kernel's input; what no kernel of the trace made is a weight or a constant, and read at once. */
  #use(t: tf.Tensor): number {
    const name = this.#options.weightNames.get(t.id);
    if (name !== undefined) this.#lastWeight = name.replace(/\.[^.]*$/, '');
    const known = this.#ids.get(t.id);
    if (known !== undefined) return known;
    const isWeight = t instanceof tf.Variable;
    if (!isWeight && t.id > this.#firstId && !this.#hostMade.has(t.id))
      throw new ExportError(
        `a tensor ${t.dtype}[${t.shape.join(', ')}] of unknown origin is used${this.#where()}`,
      );
    const id = this.#define(t);
    this.#consts.set(id, { name: name ?? `constant_${id}`, isWeight, data: contentsOf(t) });
    return id;
  }

  #where(): string {
    if (this.#layers.length > 0) return ` in the layer \`${this.#layers.join('/')}\``;
    return this.#lastWeight === '' ? '' : ` near \`${this.#lastWeight}\``;
  }
}

/** `Max` alone has its own word for the axis, and null stands for all axes. */
function withAxes(attrs: Record<string, unknown>, x: tf.Tensor | undefined): Record<string, unknown> {
  const { reductionIndices, ...others } = attrs;
  const given = 'reductionIndices' in attrs ? { ...others, axis: reductionIndices } : attrs;
  return given['axis'] === null ? { ...given, axis: x?.shape.map((_, i) => i) } : given;
}
