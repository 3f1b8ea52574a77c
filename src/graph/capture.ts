import { ExportError } from '../core/errors.js';
import { tf } from '../tf/index.js';
import {
  type ConstantTensor,
  GraphDef,
  type NodeAttribute,
  type Signature,
  type TensorFlowType,
} from './tensorflow/graphDef.js';
import { TYPE_NUMBER } from './tensorflow/messages.js';
import { Hooks } from './trace/hooks.js';

/** Constants of more numbers are taken for data that should have been an input. */
const LARGEST_CONSTANT = 2 ** 20;

/** A tensor that an operation took or gave; one object for one tensor, however often it is reshaped in place or cloned. */
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

export interface Captured {
  readonly operations: readonly Operation[];
  readonly inputs: readonly Value[];
  /** What stands for a tensor; asked for inside of `run`, while the tensor lives. */
  readonly valueFor: (x: tf.Tensor) => Value;
}

interface AttributeOfKernel {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

/** What tfjs-node hands to TensorFlow: every operation and every tensor goes through these. */
interface NativeBackend {
  readonly binding: Readonly<Record<string, number>>;
  executeSingleOutput(name: string, attrs: readonly AttributeOfKernel[], inputs: Given[]): tf.TensorInfo;
  executeMultipleOutputs(
    name: string,
    attrs: readonly AttributeOfKernel[],
    inputs: Given[],
    outputs: number,
  ): tf.TensorInfo[];
  move(dataId: object, ...rest: unknown[]): void;
  readSync(dataId: object): Float32Array;
}

/** A tensor, or tfjs-node's way to give a 64-bit number. */
type Given = tf.TensorInfo | { readonly valueArray: Int32Array };

/**
 * Runs a function on TensorFlow and notes its operations as they are, gradients and kernels that are called by name
 * included. Needs the native backend; tensors made meanwhile are freed.
 *
 * @param run may use no tensors that were there before but the inputs; its result holds no tensors
 * @throws ExportError where it does use others, or what a graph cannot hold
 */
export function capture<Result extends object>(
  inputs: readonly tf.Tensor[],
  run: (captured: Captured) => Result,
): Result {
  const backend = tf.backend() as unknown as NativeBackend;
  const operations: Operation[] = [];
  const values = new WeakMap<object, Value>();
  const hostMade = new WeakSet<object>();
  const readSync = backend.readSync.bind(backend);
  const define = ({ dataId, shape, dtype }: tf.TensorInfo): Value => {
    const value = { shape: [...shape], dtype: dtype as TensorFlowType };
    values.set(dataId, value);
    return value;
  };
  const valueFor = (given: Given): Value => {
    if ('valueArray' in given) {
      const constant = { dtype: 'int64', shape: [], data: given.valueArray } as const;
      return { ...constant, constant };
    }
    const known = values.get(given.dataId);
    if (known !== undefined) return known;
    const { dataId, shape } = given;
    const size = tf.util.sizeFromShape(shape);
    if (!hostMade.has(dataId) || size > LARGEST_CONSTANT)
      throw new ExportError(`a tensor [${shape.join(', ')}] is used that is no input of the graph`);
    const dtype = given.dtype as TensorFlowType;
    const constant = { dtype, shape: [...shape], data: readSync(dataId).slice() };
    const value = { dtype, shape: [...shape], constant };
    values.set(dataId, value);
    return value;
  };
  const note = (
    op: string,
    given: readonly AttributeOfKernel[],
    ins: readonly Given[],
    outs: tf.TensorInfo[],
  ) => {
    const attrs = Object.fromEntries(given.map((a) => [a.name, attributeOf(a, backend.binding)]));
    const inputs = ins.map(valueFor);
    // The one kernel for which tfjs-node leaves it to TensorFlow to find the type.
    if (op === 'ExpandDims') attrs['T'] ??= { type: (inputs[0] as Value).dtype };
    operations.push({ op, attrs, inputs, outputs: outs.map(define) });
  };
  const hooks = new Hooks();
  try {
    hooks.patch(backend, 'readSync', () => (dataId) => {
      const value = values.get(dataId);
      if (value !== undefined && value.constant === undefined)
        throw new ExportError(
          'a value that depends on an input is read on the host: a graph cannot hold that',
        );
      return readSync(dataId);
    });
    hooks.patch(backend, 'move', (original) => (dataId, ...rest) => {
      hostMade.add(dataId);
      original(dataId, ...rest);
    });
    hooks.patch(backend, 'executeSingleOutput', (original) => (op, attrs, ins) => {
      const out = original(op, attrs, ins) as tf.TensorInfo;
      note(op, attrs, ins, [out]);
      return out;
    });
    hooks.patch(backend, 'executeMultipleOutputs', (original) => (op, attrs, ins, count) => {
      const outs = original(op, attrs, ins, count) as tf.TensorInfo[];
      note(op, attrs, ins, outs);
      return outs;
    });
    let result: Result | undefined;
    tf.tidy(() => {
      result = run({ operations, inputs: inputs.map(define), valueFor });
    });
    return result as Result;
  } finally {
    hooks.undo();
  }
}

const TYPE_OF = new Map(Object.entries(TYPE_NUMBER).map(([name, n]) => [n, name as TensorFlowType]));

function attributeOf(
  { name, type, value }: AttributeOfKernel,
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

/**
 * What a captured graph depends on besides the function: shapes, element types, and which inputs share their data, since those
 * cannot be told apart while it is captured.
 */
export const layoutOf = (inputs: readonly tf.Tensor[]) =>
  inputs.map(({ shape, dtype, dataId }) => [shape, dtype, inputs.findIndex((x) => x.dataId === dataId)]);

/** Operations as a graph that takes and gives these values. */
export function graphOf(
  operations: readonly Operation[],
  inputs: Readonly<Record<string, Value>>,
  outputs: Readonly<Record<string, Value>>,
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

const mapped = <T, U>(of: Readonly<Record<string, T>>, f: (value: T) => U): Record<string, U> =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, f(value)]));
