import { GraphConverter, type Operator } from '../converter.js';
import { type Constant, type ElementType, type Graph, valueAt } from '../trace/graph.js';
import { type Dim, isSymbolic, type SymbolSource } from '../trace/symbols.js';
import type { GraphDef, NodeAttribute, Port, Signature, TensorFlowType } from './graphDef.js';

const operators: Readonly<Record<Operator, string>> = {
  floor: 'Floor',
  add: 'AddV2',
  sub: 'Sub',
  mul: 'Mul',
  div: 'RealDiv',
  max: 'Maximum',
  min: 'Minimum',
};
type Attributes = Readonly<Record<string, NodeAttribute>>;

/** What the rows of the kernel table need: names of values, sizes as tensors, and the graph being made. */
export class Converter extends GraphConverter {
  readonly target: GraphDef;
  readonly #prefix: string;
  readonly #inputs: Record<string, Port> = {};

  /** @param byteInputs inputs that callers give as uint8 */
  constructor(graph: Graph, target: GraphDef, prefix: string, byteInputs: readonly string[]) {
    super(graph);
    this.target = target;
    this.#prefix = prefix;
    for (const [name, id] of Object.entries(graph.inputs)) {
      const { shape, dtype } = valueAt(graph, id);
      const given: TensorFlowType = byteInputs.includes(name) ? 'uint8' : dtype;
      const attrs = { dtype: { type: given }, shape: { shape } };
      const tensor = target.add('Placeholder', [], attrs, `${prefix}${name}`);
      this.#inputs[name] = { tensor, dtype: given, shape };
      this.named(id, given === dtype ? tensor : this.cast(tensor, given, dtype));
    }
  }

  finish(): Signature {
    this.scope = '';
    const outputs: Record<string, Port> = {};
    for (const [name, id] of Object.entries(this.graph.outputs)) {
      const { shape, dtype } = valueAt(this.graph, id);
      const attrs = { T: { type: dtype } };
      const tensor = this.target.add('Identity', [this.value(id)], attrs, `${this.#prefix}out/${name}`);
      outputs[name] = { tensor, dtype, shape };
    }
    return { inputs: this.#inputs, outputs };
  }

  op(type: string, inputs: readonly string[], attrs: Attributes = {}): string {
    const at = this.scope === '' ? '' : `${this.scope}/`;
    return this.target.add(type, inputs, attrs, `${this.#prefix}${at}${type}`);
  }

  /** An operation with two operands of one type. */
  binary(type: string, a: string, b: string, dtype: ElementType): string {
    return this.op(type, [a, b], { T: { type: dtype } });
  }

  protected constantOf(
    { shape, data, name, isWeight, fill, count, elements }: Constant,
    dtype: ElementType,
  ): string {
    const { target } = this;
    if (fill !== undefined) return this.filled(fill, shape, dtype);
    if (count !== undefined) {
      const range = this.op('Range', [this.scalar(0), this.scalar(count), this.scalar(1)], {
        Tidx: { type: 'int32' },
      });
      return this.cast(range, 'int32', dtype);
    }
    if (elements !== undefined) {
      const parts = elements.map((e) => (isSymbolic(e) ? this.affine(e) : target.float(e)));
      const attrs = { N: { int: parts.length }, T: { type: 'float32' }, axis: { int: 0 } } as const;
      const packed = this.op('Pack', parts, attrs);
      const shaped = this.op('Reshape', [packed, target.ints(shape as readonly number[])], {
        T: { type: 'float32' },
        Tshape: { type: 'int32' },
      });
      return this.cast(shaped, 'float32', dtype);
    }
    const tensor = { dtype, shape: shape as readonly number[], data };
    return target.constant(tensor, isWeight ? name : undefined);
  }

  filled(value: number, shape: readonly Dim[], dtype: ElementType): string {
    const data =
      dtype === 'float32'
        ? Float32Array.of(value)
        : dtype === 'int32'
          ? Int32Array.of(value)
          : Uint8Array.of(value);
    const scalar = this.target.constant({ dtype, shape: [], data });
    return this.op('Fill', [this.dims(shape), scalar], { T: { type: dtype }, index_type: { type: 'int32' } });
  }

  protected sourceOf(source: SymbolSource): string {
    if ('formula' in source) return this.cast(this.formula(source.formula), 'float32', 'int32');
    const [input, index] = 'value' in source ? source.value : source.dim;
    const port = this.#inputs[input] as Port;
    if ('value' in source) return this.cast(this.#element(port.tensor, index, 'float32'), 'float32', 'int32');
    const attrs = { T: { type: port.dtype }, out_type: { type: 'int32' } } as const;
    return this.#element(this.op('Shape', [port.tensor], attrs), index, 'int32');
  }

  #element(vector: string, index: number, dtype: ElementType): string {
    const { target } = this;
    const mask = { int: 0 };
    return this.op(
      'StridedSlice',
      [vector, target.ints([index]), target.ints([index + 1]), target.ints([1])],
      {
        T: { type: dtype },
        Index: { type: 'int32' },
        begin_mask: mask,
        end_mask: mask,
        ellipsis_mask: mask,
        new_axis_mask: mask,
        shrink_axis_mask: { int: 1 },
      },
    );
  }

  protected arithmetic(operator: Operator, inputs: readonly string[], of: 'sizes' | 'floats'): string {
    return this.op(operators[operator], inputs, { T: { type: of === 'sizes' ? 'int32' : 'float32' } });
  }

  /** Sizes are int32 scalars. */
  protected sizeOf(value: number): string {
    return this.target.int(value);
  }

  protected floatOf(value: number): string {
    return this.target.float(value);
  }

  protected sizeToFloat(size: string): string {
    return this.cast(size, 'int32', 'float32');
  }

  protected sizesOf(values: readonly number[]): string {
    return this.target.ints(values);
  }

  dims(dims: readonly Dim[]): string {
    if (!dims.some(isSymbolic)) return this.target.ints(dims as readonly number[]);
    const parts = dims.map((d) => this.scalar(d));
    return this.op('Pack', parts, { N: { int: parts.length }, T: { type: 'int32' }, axis: { int: 0 } });
  }

  cast(x: string, from: TensorFlowType, to: TensorFlowType): string {
    if (from === to) return x;
    return this.op('Cast', [x], { SrcT: { type: from }, DstT: { type: to }, Truncate: { bool: false } });
  }
}
