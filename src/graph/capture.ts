import { ExportError } from '../core/errors.js';
import {
  attributes,
  type Int64,
  type KernelAttribute,
  kernel,
  type NativeBackend,
  nativeBackend,
  TYPE_NUMBERS,
  tf,
} from '../tf/index.js';
import { Hooks } from './hooks.js';
import {
  type ConstantTensor,
  GraphDef,
  type NodeAttribute,
  type Signature,
  type TensorFlowType,
} from './tensorflow/graphDef.js';

/** Constants of more numbers would make graphs large; they are data that should be inputs. */
const LARGEST_CONSTANT = 2 ** 20;

/** What an operation took or gave; one object for all tensors of the same data, such as clones. */
export interface Value {
  readonly dtype: TensorFlowType;
  readonly shape: readonly number[];
  /** Of a tensor that came from numbers in JavaScript. */
  readonly constant?: ConstantTensor;
}

/** An operation of TensorFlow's as it was executed. */
export interface Operation {
  readonly op: string;
  readonly attrs: Readonly<Record<string, NodeAttribute>>;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

type Given = tf.TensorInfo | Int64;

/**
 * Runs a function on TensorFlow and notes its operations as they are, gradients and kernels that are called by name
 * included. Needs the native backend; tensors made meanwhile are freed.
 *
 * @param run may use no tensors that were there before but those it gets from `input`; its result holds no tensors
 * @throws ExportError where it uses others, reads what depends on an input, or does what a graph cannot hold
 */
export function capture<Result extends object>(run: (capture: Capture) => Result): Result {
  const hooks = new Hooks();
  const own = new Capture(nativeBackend(), hooks);
  try {
    let result: Result | undefined;
    tf.tidy(() => {
      result = run(own);
    });
    return result as Result;
  } finally {
    hooks.undo();
    own.free();
  }
}

/** What has been noted; see `capture`. */
export class Capture {
  readonly operations: Operation[] = [];
  readonly #values = new WeakMap<object, Value>();
  /** Data that came from numbers in JavaScript meanwhile. */
  readonly #hostMade = new WeakSet<object>();
  readonly #binding: NativeBackend['binding'];
  readonly #readSync: NativeBackend['readSync'];
  readonly #inputs: tf.Tensor[] = [];
  #isNoting = true;

  constructor(backend: NativeBackend, hooks: Hooks) {
    this.#binding = backend.binding;
    this.#readSync = backend.readSync.bind(backend);
    hooks.patch(backend, 'readSync', () => (dataId) => this.#read(dataId));
    hooks.patch(backend, 'move', (original) => (dataId, ...rest) => {
      this.#hostMade.add(dataId);
      original(dataId, ...rest);
    });
    hooks.patch(backend, 'executeSingleOutput', (original) => (op, attrs, inputs) => {
      const output = original(op, attrs, inputs) as tf.TensorInfo;
      this.#note(op, attrs, inputs, [output]);
      return output;
    });
    hooks.patch(backend, 'executeMultipleOutputs', (original) => (op, attrs, inputs, count) => {
      const outputs = original(op, attrs, inputs, count) as tf.TensorInfo[];
      this.#note(op, attrs, inputs, outputs);
      return outputs;
    });
  }

  /** The same numbers as an input of the graph: with data of its own, so that two inputs of one tensor stay two. */
  input<T extends tf.Tensor>(x: T): T {
    this.#isNoting = false;
    const [own] = kernel('Identity', [attributes.type('T', typeOf(x))], [x], 1) as [T]; // shares the memory
    this.#isNoting = true;
    this.#define(own);
    this.#inputs.push(tf.keep(own)); // a backward pass may ask for it after its scope has ended
    return own;
  }

  free(): void {
    tf.dispose(this.#inputs);
  }

  /** What stands for a tensor, while it lives. */
  valueFor(x: tf.Tensor): Value;
  valueFor(given: Given): Value;
  valueFor(given: Given): Value {
    if ('valueArray' in given) {
      const constant = { dtype: 'int64', shape: [], data: given.valueArray } as const;
      return { dtype: 'int64', shape: [], constant };
    }
    const { dataId, shape } = given;
    const known = this.#values.get(dataId);
    if (known !== undefined) return known;
    const text = `[${shape.join(', ')}]`;
    if (!this.#hostMade.has(dataId))
      throw new ExportError(`a tensor ${text} is used that is no input of the graph`);
    if (tf.util.sizeFromShape(shape) > LARGEST_CONSTANT)
      throw new ExportError(`a constant ${text} is too large for a graph`);
    const dtype = typeOf(given);
    const constant = { dtype, shape: [...shape], data: this.#readSync(dataId).slice() };
    const value = { dtype, shape: [...shape], constant };
    this.#values.set(dataId, value);
    return value;
  }

  #note(
    op: string,
    given: readonly KernelAttribute[],
    ins: readonly Given[],
    outs: readonly tf.TensorInfo[],
  ) {
    if (!this.#isNoting) return;
    const attrs = Object.fromEntries(given.map((a) => [a.name, attributeOf(a, this.#binding)]));
    const inputs = ins.map((x) => this.valueFor(x));
    // The one kernel for which tfjs-node leaves it to TensorFlow to find the type.
    if (op === 'ExpandDims') attrs['T'] ??= { type: (inputs[0] as Value).dtype };
    this.operations.push({ op, attrs, inputs, outputs: outs.map((x) => this.#define(x)) });
  }

  #define(x: tf.TensorInfo): Value {
    const value = { dtype: typeOf(x), shape: [...x.shape] };
    this.#values.set(x.dataId, value);
    return value;
  }

  #read(dataId: object): ReturnType<NativeBackend['readSync']> {
    const value = this.#values.get(dataId);
    if (value !== undefined && value.constant === undefined)
      throw new ExportError('a value that depends on an input is read on the host: a graph cannot hold that');
    return this.#readSync(dataId);
  }
}

const typeOf = ({ dtype }: { readonly dtype: string }): TensorFlowType => {
  if (dtype in TYPE_NUMBERS) return dtype as TensorFlowType;
  throw new ExportError(`a graph cannot hold tensors of type ${dtype}`);
};

const TYPE_OF: ReadonlyMap<number, TensorFlowType> = new Map(
  Object.entries(TYPE_NUMBERS).map(([name, n]) => [n, name as TensorFlowType]),
);

function attributeOf(
  { name, type, value }: KernelAttribute,
  binding: NativeBackend['binding'],
): NodeAttribute {
  switch (type) {
    case binding['TF_ATTR_TYPE']: {
      const known = TYPE_OF.get(value as number);
      if (known !== undefined) return { type: known };
      break;
    }
    case binding['TF_ATTR_BOOL']:
      return { bool: value as boolean };
    case binding['TF_ATTR_FLOAT']:
      return { float: value as number };
    case binding['TF_ATTR_STRING']:
      return { text: value as string };
    case binding['TF_ATTR_SHAPE']:
      return { shape: value as number[] };
    case binding['TF_ATTR_INT']:
      return Array.isArray(value) ? { ints: value as number[] } : { int: value as number };
  }
  throw new ExportError(`a graph cannot hold the attribute \`${name}\` = ${String(value)}`);
}

type Values = Readonly<Record<string, Value>>;

/** Operations as a graph that takes and gives these values. */
export function graphOf(
  operations: readonly Operation[],
  inputs: Values,
  outputs: Values,
): { readonly graph: GraphDef; readonly signature: Signature } {
  const graph = new GraphDef();
  const names = new Map<Value, string>();
  for (const [name, value] of Object.entries(inputs)) {
    const attrs = { dtype: { type: value.dtype }, shape: { shape: value.shape } };
    names.set(value, graph.add('Placeholder', [], attrs, name));
  }
  const nameOf = (value: Value): string => {
    const known = names.get(value);
    if (known !== undefined) return known;
    if (value.constant === undefined) throw new ExportError('an operation takes what no other gave');
    const name = graph.constant(value.constant);
    names.set(value, name);
    return name;
  };
  for (const { op, attrs, inputs: ins, outputs: outs } of operations) {
    const node = graph.add(op, ins.map(nameOf), attrs, `op_${op}`);
    for (const [i, value] of outs.entries()) names.set(value, i === 0 ? node : `${node}:${i}`);
  }
  const given = new Set(Object.values(inputs));
  const port = ({ dtype, shape }: Value, tensor: string) => ({ tensor, dtype, shape });
  // TensorFlow does not give out what it was given.
  const output = (value: Value): string =>
    given.has(value) ? graph.add('Identity', [nameOf(value)], { T: { type: value.dtype } }) : nameOf(value);
  return {
    graph,
    signature: {
      inputs: mapped(inputs, (value) => port(value, nameOf(value))),
      outputs: mapped(outputs, (value) => port(value, output(value))),
    },
  };
}

/** The same names with other values. */
export const mapped = <T, U>(of: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, f(value)]));
