import { ExportError } from '../../core/errors.js';
import {
  type Constant,
  type ElementType,
  type Graph,
  inputsOf,
  type Node,
  shapeOf,
  valueAt,
} from '../../graph/trace/graph.js';
import {
  type Dim,
  type Expression,
  type Formula,
  isSymbolic,
  type SymbolSource,
} from '../../graph/trace/symbols.js';
import { tf } from '../../tf/index.js';
import { type Initialiser, OnnxGraph, type OnnxNode, TYPE_NUMBER } from './onnxGraph.js';

export const typed = (dtype: ElementType, values: readonly number[]): Initialiser['data'] =>
  dtype === 'float32'
    ? Float32Array.from(values)
    : dtype === 'int32'
      ? Int32Array.from(values)
      : Uint8Array.from(values);

const operators = { floor: 'Floor', add: 'Add', sub: 'Sub', mul: 'Mul', div: 'Div', max: 'Max', min: 'Min' };

/** What the rows of the kernel table need: names of values, sizes as tensors, and the ONNX graph being made. */
export class Converter {
  readonly graph: Graph;
  readonly target: OnnxGraph;
  readonly #names = new Map<number, string>();
  readonly #symbols = new Map<string, string>();
  #scope = '';

  constructor(graph: Graph, opset: number) {
    this.graph = graph;
    this.target = new OnnxGraph(opset);
    for (const [name, id] of Object.entries(graph.inputs)) {
      const { dtype, shape } = valueAt(graph, id);
      this.#names.set(id, name);
      this.target.inputs.push({ name, dtype, shape });
    }
  }

  convert(node: Node, row: (c: Converter, node: Node) => string | readonly string[]): void {
    this.#scope = node.scope;
    const names = [row(this, node)].flat();
    for (const [i, name] of names.entries()) this.#names.set(node.outputs[i] as number, name);
  }

  /** Declares the program's outputs in its own order, which callers unpack by position. */
  finish(): void {
    this.#scope = '';
    for (const [name, id] of Object.entries(this.graph.outputs)) {
      this.target.add('Identity', [this.value(id)], {}, { names: [name] });
      const { dtype, shape } = valueAt(this.graph, id);
      this.target.outputs.push({ name, dtype, shape });
    }
  }

  op(type: string, inputs: readonly string[], attrs: OnnxNode['attrs'] = {}): string {
    return this.target.add(type, inputs, attrs, { scope: this.#scope });
  }

  ops(type: string, inputs: readonly string[], attrs: OnnxNode['attrs'], count: number): string[] {
    const names = Array.from({ length: count }, () => this.target.name(type));
    this.target.add(type, inputs, attrs, { scope: this.#scope, names });
    return names;
  }

  /** Names of a node's inputs. */
  values(node: Node): string[] {
    return inputsOf(node).map((id) => this.value(id));
  }

  /** The name of a value; constants are made at their first use. */
  value(id: number): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const constant = this.graph.consts.get(id);
    if (constant === undefined) throw new ExportError(`value ${id} is used before it is made`);
    const name = this.#constant(constant, valueAt(this.graph, id).dtype);
    this.#names.set(id, name);
    return name;
  }

  #constant({ shape, data, name, fill, count, elements }: Constant, dtype: ElementType): string {
    const { target } = this;
    if (fill !== undefined)
      return this.op('Expand', [target.constant(dtype, [], typed(dtype, [fill])), this.dims(shape)]);
    if (count !== undefined) {
      const int = (v: number) => target.constant('int64', [], BigInt64Array.of(BigInt(v)));
      const end = this.op('Squeeze', [this.scalar(count)]);
      return this.cast(this.op('Range', [int(0), end, int(1)]), dtype);
    }
    if (elements !== undefined) {
      const parts = elements.map((e) => (isSymbolic(e) ? this.#affine(e) : target.float(e, [1])));
      const joined = parts.length === 1 ? (parts[0] as string) : this.op('Concat', parts, { axis: 0 });
      return this.cast(this.op('Reshape', [joined, target.ints(shape as readonly number[])]), dtype);
    }
    return target.constant(dtype, shape as readonly number[], data, name);
  }

  #affine({ terms }: Expression): string {
    const term = ({ mul, of }: Expression['terms'][number]) =>
      of
        .map((s) => this.cast(this.#symbol(s), 'float32'))
        .reduce((a, b) => this.op('Mul', [a, b]), this.target.float(mul, [1]));
    return terms.map(term).reduce((a, b) => this.op('Add', [a, b]));
  }

  /** A symbol as an int64 tensor of one element, made once. */
  #symbol(name: string): string {
    const known = this.#symbols.get(name);
    if (known !== undefined) return known;
    const made = this.#source(this.graph.symbols[name] as SymbolSource);
    this.#symbols.set(name, made);
    return made;
  }

  #source(source: SymbolSource): string {
    const toSize = (x: string) => this.op('Cast', [x], { to: TYPE_NUMBER.int64 });
    const pick = (x: string, index: number) => this.op('Gather', [x, this.target.ints([index])], { axis: 0 });
    if ('formula' in source) return toSize(this.#formula(source.formula));
    if ('value' in source) return toSize(pick(source.value[0], source.value[1]));
    return pick(this.op('Shape', [source.dim[0]]), source.dim[1]);
  }

  #formula(formula: Formula): string {
    if (typeof formula === 'number') return this.target.float(formula, [1]);
    if (typeof formula === 'string') return this.cast(this.#symbol(formula), 'float32');
    const [name, ...parts] = formula;
    return this.op(
      operators[name],
      parts.map((part) => this.#formula(part)),
    );
  }

  /** A size as an int64 tensor of one element. */
  scalar(dim: Dim): string {
    if (!isSymbolic(dim)) return this.target.ints([dim]);
    const term = ({ mul, of }: Expression['terms'][number]) => {
      const factors = mul === 1 && of.length > 0 ? [] : [this.target.ints([mul])];
      return [...factors, ...of.map((s) => this.#symbol(s))].reduce((a, b) => this.op('Mul', [a, b]));
    };
    return dim.terms.map(term).reduce((a, b) => this.op('Add', [a, b]));
  }

  dims(dims: readonly Dim[]): string {
    if (!dims.some(isSymbolic)) return this.target.ints(dims as readonly number[]);
    return this.op(
      'Concat',
      dims.map((d) => this.scalar(d)),
      { axis: 0 },
    );
  }

  /** A reshape's target: -1 stands for a single symbolic size, which keeps files free of arithmetic on shapes. */
  reshapeTarget(dims: readonly Dim[]): string {
    if (dims.filter(isSymbolic).length !== 1) return this.dims(dims);
    return this.target.ints(dims.map((d) => (isSymbolic(d) ? -1 : d)));
  }

  cast(x: string, dtype: ElementType | 'int64'): string {
    return this.op('Cast', [x], { to: TYPE_NUMBER[dtype] });
  }

  shape(id: number): readonly Dim[] {
    return shapeOf(this.graph, id);
  }

  dtype(id: number): ElementType {
    return valueAt(this.graph, id).dtype;
  }

  transposed(x: string, perm: readonly number[]): string {
    return this.op('Transpose', [x], { perm });
  }

  /** A value with its axes in another order; constants are stored so. */
  permuted(id: number, perm: readonly number[]): string {
    const constant = this.graph.consts.get(id);
    if (constant === undefined || constant.fill !== undefined) return this.transposed(this.value(id), perm);
    return tf.tidy(() => {
      const t = tf.tensor(constant.data, constant.shape as number[]).transpose([...perm]);
      const name = `${constant.name}/${perm.join('')}`;
      return this.target.constant('float32', t.shape, t.dataSync<'float32'>().slice(), name);
    });
  }

  /** Applies `f` to the channels-first form of an NHWC value. */
  channelsFirst(x: string, f: (nchw: string) => string): string {
    return this.transposed(f(this.transposed(x, [0, 3, 1, 2])), [0, 2, 3, 1]);
  }
}
