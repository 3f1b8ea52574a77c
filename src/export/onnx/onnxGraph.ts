import type { ElementType } from '../../graph/trace/graph.js';
import type { Dim } from '../../graph/trace/symbols.js';

export type OnnxType = ElementType | 'uint8' | 'int8' | 'int64' | 'float16';

/** TensorProto.DataType. */
export const TYPE_NUMBER: Readonly<Record<OnnxType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
};

export type OnnxAttribute = number | string | readonly number[];

export interface OnnxNode {
  type: string;
  name: string;
  inputs: string[];
  outputs: string[];
  attrs: Readonly<Record<string, OnnxAttribute>>;
}

export interface Initialiser {
  readonly dtype: OnnxType;
  readonly dims: readonly number[];
  readonly data: ArrayBufferView & ArrayLike<number | bigint>;
}

export interface OnnxPort {
  readonly name: string;
  readonly dtype: OnnxType;
  readonly shape: readonly Dim[];
}

/** A graph of ONNX operators; values are addressed by name. */
export class OnnxGraph {
  readonly opset: number;
  nodes: OnnxNode[] = [];
  readonly initialisers = new Map<string, Initialiser>();
  readonly inputs: OnnxPort[] = [];
  readonly outputs: OnnxPort[] = [];
  readonly #small = new Map<string, string>();
  #count = 0;

  constructor(opset: number) {
    this.opset = opset;
  }

  name(hint: string): string {
    return `${hint}_${this.#count++}`;
  }

  /** Adds an operator; `names` are those of its outputs. */
  add(
    type: string,
    inputs: readonly string[],
    attrs: OnnxNode['attrs'] = {},
    { scope = '', names = [this.name(type)] }: { scope?: string; names?: readonly string[] } = {},
  ): string {
    const name = `${scope === '' ? '' : `${scope}/`}${this.name(type)}`;
    this.nodes.push({ type, name, inputs: [...inputs], outputs: [...names], attrs });
    return names[0] as string;
  }

  /** Adds a constant; small ones with the same content are one. */
  constant(dtype: OnnxType, dims: readonly number[], data: Initialiser['data'], hint = ''): string {
    const key = data.length <= 16 ? `${dtype}:${dims.join()}:${Array.from(data).join()}` : undefined;
    const known = key === undefined ? undefined : this.#small.get(key);
    if (known !== undefined) return known;
    const isFree = hint !== '' && !this.initialisers.has(hint);
    const name = isFree ? hint : this.name(`${hint === '' ? 'number' : hint}/copy`);
    this.initialisers.set(name, { dtype, dims, data });
    if (key !== undefined) this.#small.set(key, name);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.constant('int64', [values.length], BigInt64Array.from(values, BigInt));
  }

  float(value: number, dims: readonly number[] = []): string {
    return this.constant('float32', dims, Float32Array.of(value));
  }

  /** Drops Identity between other operators, operators without use, and constants without use. */
  tidy(): void {
    const named = new Set(this.outputs.map((o) => o.name));
    const alias = new Map<string, string>();
    this.nodes = this.nodes.filter((node) => {
      node.inputs = node.inputs.map((input) => alias.get(input) ?? input);
      const [from, to] = [node.inputs[0], node.outputs[0]];
      if (node.type !== 'Identity' || from === undefined || to === undefined || named.has(to)) return true;
      alias.set(to, from);
      return false;
    });
    const needed = new Set(named);
    const kept = this.nodes.toReversed().filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    });
    this.nodes = kept.reverse();
    for (const name of [...this.initialisers.keys()]) if (!needed.has(name)) this.initialisers.delete(name);
  }
}
