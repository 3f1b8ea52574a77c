import { GraphConverter, type Operator } from '../../graph/converter.js';
import { type Constant, type ElementType, type Graph, valueAt } from '../../graph/trace/graph.js';
import { type Dim, isSymbolic, type SymbolSource } from '../../graph/trace/symbols.js';
import { tf } from '../../tf/index.js';
import { type Initialiser, OnnxGraph, type OnnxNode, TYPE_NUMBER } from './onnxGraph.js';

export const typed = (dtype: ElementType, values: readonly number[]): Initialiser['data'] =>
  dtype === 'float32'
    ? Float32Array.from(values)
    : dtype === 'int32'
      ? Int32Array.from(values)
      : Uint8Array.from(values);

const operators: Readonly<Record<Operator, string>> = {
  floor: 'Floor',
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  max: 'Max',
  min: 'Min',
};

/** What the rows of the kernel table need: names of values, sizes as tensors, and the ONNX graph being made. */
export class Converter extends GraphConverter {
  readonly target: OnnxGraph;

  constructor(graph: Graph, opset: number) {
    super(graph);
    this.target = new OnnxGraph(opset);
    for (const [name, id] of Object.entries(graph.inputs)) {
      const { dtype, shape } = valueAt(graph, id);
      this.named(id, name);
      this.target.inputs.push({ name, dtype, shape });
    }
  }

  /** Declares the program's outputs in its own order, which callers unpack by position. */
  finish(): void {
    this.scope = '';
    for (const [name, id] of Object.entries(this.graph.outputs)) {
      this.target.add('Identity', [this.value(id)], {}, { names: [name] });
      const { dtype, shape } = valueAt(this.graph, id);
      this.target.outputs.push({ name, dtype, shape });
    }
  }

  op(type: string, inputs: readonly string[], attrs: OnnxNode['attrs'] = {}): string {
    return this.target.add(type, inputs, attrs, { scope: this.scope });
  }

  ops(type: string, inputs: readonly string[], attrs: OnnxNode['attrs'], count: number): string[] {
    const names = Array.from({ length: count }, () => this.target.name(type));
    this.target.add(type, inputs, attrs, { scope: this.scope, names });
    return names;
  }

  protected constantOf({ shape, data, name, fill, count, elements }: Constant, dtype: ElementType): string {
    const { target } = this;
    if (fill !== undefined)
      return this.op('Expand', [target.constant(dtype, [], typed(dtype, [fill])), this.dims(shape)]);
    if (count !== undefined) {
      const int = (v: number) => target.constant('int64', [], BigInt64Array.of(BigInt(v)));
      const end = this.op('Squeeze', [this.scalar(count)]);
      return this.cast(this.op('Range', [int(0), end, int(1)]), dtype);
    }
    if (elements !== undefined) {
      const parts = elements.map((e) => (isSymbolic(e) ? this.affine(e) : target.float(e, [1])));
      const joined = parts.length === 1 ? (parts[0] as string) : this.op('Concat', parts, { axis: 0 });
      return this.cast(this.op('Reshape', [joined, target.ints(shape as readonly number[])]), dtype);
    }
    return target.constant(dtype, shape as readonly number[], data, name);
  }

  protected sourceOf(source: SymbolSource): string {
    const toSize = (x: string) => this.op('Cast', [x], { to: TYPE_NUMBER.int64 });
    const pick = (x: string, index: number) => this.op('Gather', [x, this.target.ints([index])], { axis: 0 });
    if ('formula' in source) return toSize(this.formula(source.formula));
    if ('value' in source) return toSize(pick(source.value[0], source.value[1]));
    return pick(this.op('Shape', [source.dim[0]]), source.dim[1]);
  }

  protected arithmetic(operator: Operator, inputs: readonly string[]): string {
    return this.op(operators[operator], inputs);
  }

  /** Sizes are int64 tensors of one element. */
  protected sizeOf(value: number): string {
    return this.target.ints([value]);
  }

  protected floatOf(value: number): string {
    return this.target.float(value, [1]);
  }

  protected sizeToFloat(size: string): string {
    return this.cast(size, 'float32');
  }

  protected sizesOf(values: readonly number[]): string {
    return this.target.ints(values);
  }

  dims(dims: readonly Dim[]): string {
    if (!dims.some(isSymbolic)) return this.target.ints(dims as readonly number[]);
    return this.op(
      'Concat',
      dims.map((d) => this.scalar(d)),
      { axis: 0 },
    );
  }

  cast(x: string, dtype: ElementType | 'int64'): string {
    return this.op('Cast', [x], { to: TYPE_NUMBER[dtype] });
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
