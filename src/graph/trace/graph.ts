import type { Dim, Sizes, SymbolSource } from './symbols.js';

export type ElementType = 'float32' | 'int32' | 'bool';
export type ConstantData = Float32Array | Int32Array | Uint8Array;

/** A kernel's attribute: plain data whose numbers may be symbolic. */
export type Attribute =
  | Dim
  | string
  | boolean
  | null
  | undefined
  | readonly Attribute[]
  | { readonly [key: string]: Attribute };

/** What flows along an edge. */
export interface Value {
  readonly dtype: ElementType;
  readonly shape: readonly Dim[];
  /** The shape in the first trace. */
  readonly example: readonly number[];
}

/** A value that depends on no input. `data` holds it unless it changes with the sizes. */
export interface Constant {
  readonly name: string;
  readonly isWeight: boolean;
  readonly data: ConstantData;
  readonly shape: readonly Dim[];
  /** Each element as a function of the symbols. */
  readonly elements?: readonly Dim[];
  /** One number everywhere, in a shape that changes. */
  readonly fill?: number;
  /** 0, 1, 2 ... up to this many. */
  readonly count?: Dim;
}

/** One kernel of TensorFlow.js; inputs and outputs are value ids. */
export interface Node {
  kernel: string;
  /** The layer or weight near which it was executed, for messages and names. */
  readonly scope: string;
  inputs: Record<string, number>;
  attrs: Readonly<Record<string, Attribute>>;
  outputs: readonly number[];
}

/** A traced program: kernels in order of execution. */
export interface Graph {
  readonly values: Map<number, Value>;
  readonly consts: Map<number, Constant>;
  nodes: Node[];
  readonly inputs: Readonly<Record<string, number>>;
  readonly outputs: Record<string, number>;
  readonly symbols: Readonly<Record<string, SymbolSource>>;
  readonly sizes: readonly Sizes[];
}

/** Value ids of a node's inputs, in order. */
export const inputsOf = (node: Node): readonly number[] => Object.values(node.inputs);

/** The only or first input. */
export const inputOf = (node: Node, name?: string): number =>
  (name === undefined ? inputsOf(node)[0] : node.inputs[name]) as number;

export const outputOf = (node: Node): number => node.outputs[0] as number;

export function valueAt(graph: Graph, id: number): Value {
  const value = graph.values.get(id);
  if (value === undefined) throw new Error(`graph has no value ${id}`);
  return value;
}

export const shapeOf = (graph: Graph, id: number): readonly Dim[] => valueAt(graph, id).shape;

/** A new value id. */
export function addValue(graph: Graph, value: Value): number {
  const id = Math.max(-1, ...graph.values.keys()) + 1;
  graph.values.set(id, value);
  return id;
}

/** Makes every use of `from` a use of its replacement. */
export function replaceUses(graph: Graph, replacement: ReadonlyMap<number, number>): void {
  const last = (id: number): number => {
    let at = id;
    for (let next = replacement.get(at); next !== undefined; next = replacement.get(at)) at = next;
    return at;
  };
  for (const node of graph.nodes)
    node.inputs = Object.fromEntries(Object.entries(node.inputs).map(([k, id]) => [k, last(id)]));
  for (const [name, id] of Object.entries(graph.outputs)) graph.outputs[name] = last(id);
}

/** An attribute as a list of sizes. */
export const dimsOf = (attribute: Attribute): readonly Dim[] =>
  (Array.isArray(attribute) ? attribute : [attribute]) as readonly Dim[];

/** An axis counted from the front. */
export const axisOf = (attribute: Attribute, rank: number): number => ((attribute as number) + rank) % rank;

/** Axes of a reduction, counted from the front. */
export const axesOf = (attribute: Attribute, rank: number): number[] =>
  dimsOf(attribute).map((axis) => axisOf(axis, rank));

/** A graph that can be changed without changing the other; contents are shared. */
export function copyGraph(graph: Graph): Graph {
  return {
    ...graph,
    values: new Map(graph.values),
    consts: new Map(graph.consts),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: { ...node.inputs } })),
    outputs: { ...graph.outputs },
  };
}
