import { createHash } from 'node:crypto';
import type { Dim } from '../trace/symbols.js';

export type TensorFlowType = 'float32' | 'uint8' | 'int32' | 'string' | 'bool' | 'int64';

export interface ConstantTensor {
  readonly dtype: TensorFlowType;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView & ArrayLike<number>;
}

/** An attribute of a node, by kind. */
export type NodeAttribute =
  | { readonly type: TensorFlowType }
  | { readonly types: readonly TensorFlowType[] }
  | { readonly int: number }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly shape: readonly Dim[] }
  | { readonly ints: readonly number[] }
  | { readonly tensor: ConstantTensor }
  | { readonly strings: readonly string[]; readonly dims: readonly number[] };

export interface GraphDefNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs: Readonly<Record<string, NodeAttribute>>;
}

export interface Port {
  /** Name of the tensor's node, with `:1` for a further output. */
  readonly tensor: string;
  readonly dtype: TensorFlowType;
  readonly shape: readonly Dim[];
}

/** What a signature takes and gives. */
export interface Signature {
  readonly inputs: Readonly<Record<string, Port>>;
  readonly outputs: Readonly<Record<string, Port>>;
}

/** TensorFlow's graph: nodes of one or several programs, which share constants of the same content. */
export class GraphDef {
  readonly nodes: GraphDefNode[] = [];
  readonly #constants = new Map<string, string>();
  readonly #names = new Set<string>();
  #count = 0;

  /** Adds an operation; `name` is made unique. */
  add(
    op: string,
    inputs: readonly string[],
    attrs: GraphDefNode['attrs'] = {},
    hint = `${op}_${this.#count++}`,
  ): string {
    let name = hint;
    while (this.#names.has(name)) name = `${hint}_${this.#count++}`;
    this.#names.add(name);
    this.nodes.push({ name, op, inputs, attrs });
    return name;
  }

  constant(tensor: ConstantTensor, hint?: string): string {
    const { dtype, shape, data } = tensor;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const key = `${dtype} ${shape.join()} ${createHash('sha1').update(bytes).digest('hex')}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const attrs = { dtype: { type: dtype }, value: { tensor } };
    const name = this.add('Const', [], attrs, hint);
    this.#constants.set(key, name);
    return name;
  }

  ints(values: readonly number[]): string {
    return this.constant({ dtype: 'int32', shape: [values.length], data: Int32Array.from(values) });
  }

  int(value: number): string {
    return this.constant({ dtype: 'int32', shape: [], data: Int32Array.of(value) });
  }

  float(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  }
}
