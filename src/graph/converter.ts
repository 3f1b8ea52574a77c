import { ExportError } from '../core/errors.js';
import {
  type Constant,
  type ElementType,
  type Graph,
  inputsOf,
  type Node,
  shapeOf,
  valueAt,
} from './trace/graph.js';
import { type Dim, type Expression, type Formula, isSymbolic, type SymbolSource } from './trace/symbols.js';

type Terms = Expression['terms'];
export type Operator = 'floor' | 'add' | 'sub' | 'mul' | 'div' | 'max' | 'min';

/**
 * What converters of a graph have in common, whatever they make of it: names of values, which are made at their first use,
 * and arithmetic on sizes.
 */
export abstract class GraphConverter {
  readonly graph: Graph;
  readonly #names = new Map<number, string>();
  readonly #symbols = new Map<string, string>();
  /** Of the node that is converted. */
  protected scope = '';

  constructor(graph: Graph) {
    this.graph = graph;
  }

  protected abstract constantOf(constant: Constant, dtype: ElementType): string;
  /** A symbol's value as a size. */
  protected abstract sourceOf(source: SymbolSource): string;
  protected abstract arithmetic(
    operator: Operator,
    inputs: readonly string[],
    of: 'sizes' | 'floats',
  ): string;
  protected abstract sizeOf(value: number): string;
  protected abstract floatOf(value: number): string;
  protected abstract sizeToFloat(size: string): string;
  /** Several sizes as one tensor. */
  protected abstract sizesOf(values: readonly number[]): string;
  abstract dims(dims: readonly Dim[]): string;

  convert(node: Node, row: (c: this, node: Node) => string | readonly string[]): void {
    this.scope = node.scope;
    const names = [row(this, node)].flat();
    for (const [i, name] of names.entries()) this.named(node.outputs[i] as number, name);
  }

  protected named(id: number, name: string): void {
    this.#names.set(id, name);
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
    const name = this.constantOf(constant, this.dtype(id));
    this.#names.set(id, name);
    return name;
  }

  shape(id: number): readonly Dim[] {
    return shapeOf(this.graph, id);
  }

  dtype(id: number): ElementType {
    return valueAt(this.graph, id).dtype;
  }

  /** A size as a tensor. */
  scalar(dim: Dim): string {
    if (!isSymbolic(dim)) return this.sizeOf(dim);
    const term = ({ mul, of }: Terms[number]) => {
      const factors = mul === 1 && of.length > 0 ? [] : [this.sizeOf(mul)];
      return [...factors, ...of.map((s) => this.#symbol(s))].reduce((a, b) =>
        this.arithmetic('mul', [a, b], 'sizes'),
      );
    };
    return dim.terms.map(term).reduce((a, b) => this.arithmetic('add', [a, b], 'sizes'));
  }

  /** A reshape's target: -1 stands for a single symbolic size, which keeps files free of arithmetic on shapes. */
  reshapeTarget(dims: readonly Dim[]): string {
    if (dims.filter(isSymbolic).length !== 1) return this.dims(dims);
    return this.sizesOf(dims.map((d) => (isSymbolic(d) ? -1 : d)));
  }

  /** An expression of symbols as a number. */
  protected affine({ terms }: Expression): string {
    const term = ({ mul, of }: Terms[number]) =>
      of
        .map((s) => this.sizeToFloat(this.#symbol(s)))
        .reduce((a, b) => this.arithmetic('mul', [a, b], 'floats'), this.floatOf(mul));
    return terms.map(term).reduce((a, b) => this.arithmetic('add', [a, b], 'floats'));
  }

  protected formula(formula: Formula): string {
    if (typeof formula === 'number') return this.floatOf(formula);
    if (typeof formula === 'string') return this.sizeToFloat(this.#symbol(formula));
    const [name, ...parts] = formula;
    return this.arithmetic(
      name,
      parts.map((part) => this.formula(part)),
      'floats',
    );
  }

  /** A symbol as a size, made once. */
  #symbol(name: string): string {
    const known = this.#symbols.get(name);
    if (known !== undefined) return known;
    const made = this.sourceOf(this.graph.symbols[name] as SymbolSource);
    this.#symbols.set(name, made);
    return made;
  }
}
