import { ExportError } from '../../core/errors.js';
import type { Attribute, Constant, ConstantData, Graph, Node, Value } from './graph.js';
import type { Trace } from './record.js';
import { type Dim, expressionFor, isSymbolic, type Sizes, type SymbolSource } from './symbols.js';

/** Constants of at most this many elements may change element by element. */
const FEW = 16;

/**
 * Joins runs of one program at several sizes into one graph whose numbers may be symbolic. At least three runs are
 * needed, so that an expression found on two is checked on another.
 *
 * @throws ExportError naming the first step where the runs part, or the number that follows no simple rule
 */
export function merge(
  traces: readonly Trace[],
  sizes: readonly Sizes[],
  symbols: Readonly<Record<string, SymbolSource>>,
): Graph {
  const first = traces[0] as Trace;
  for (const trace of traces) demandSamePath(first, trace);
  const values = new Map<number, Value>();
  for (const [id, { dtype, shape }] of first.values) {
    const shapes = traces.map((t) => t.values.get(id)?.shape ?? []);
    const merged = mergeAttribute(shapes, sizes, `a tensor near step ${id}`) as readonly Dim[];
    values.set(id, { dtype, shape: merged, example: shape });
  }
  const consts = new Map<number, Constant>();
  for (const [id, { name, isWeight, data }] of first.consts) {
    const { shape } = values.get(id) as Value;
    const all = traces.map((t) => t.consts.get(id)?.data ?? data);
    consts.set(id, { name, isWeight, data, shape, ...changing(all, shape, sizes, name) });
  }
  const nodes = first.nodes.map((node, i): Node => {
    const attrs = traces.map((t) => t.nodes[i]?.attrs as Attribute);
    const where = `step ${i}, \`${node.kernel}\`${node.scope === '' ? '' : ` near \`${node.scope}\``}`;
    return {
      kernel: node.kernel,
      scope: node.scope,
      inputs: { ...node.inputs },
      attrs: mergeAttribute(attrs, sizes, where) as Node['attrs'],
      outputs: node.outputs,
    };
  });
  return { values, consts, nodes, inputs: first.inputs, outputs: { ...first.outputs }, symbols, sizes };
}

function demandSamePath(a: Trace, b: Trace): void {
  const steps = Math.max(a.nodes.length, b.nodes.length);
  for (let i = 0; i < steps; i++) {
    const [x, y] = [a.nodes[i], b.nodes[i]];
    if (x?.kernel === y?.kernel && JSON.stringify(x?.inputs) === JSON.stringify(y?.inputs)) continue;
    const name = (node: typeof x) =>
      node === undefined ? 'the end' : `\`${node.kernel}\` near \`${node.scope}\``;
    throw new ExportError(
      `the program takes another path for other sizes: step ${i} is ${name(x)} or ${name(y)}`,
    );
  }
}

function mergeAttribute(seen: readonly Attribute[], sizes: readonly Sizes[], where: string): Attribute {
  const [first] = seen;
  if (seen.every((value) => typeof value === 'number')) {
    const found = expressionFor(seen as readonly number[], sizes);
    if (found === undefined)
      throw new ExportError(`${where}: ${seen.join(', ')} is no simple function of the sizes`);
    return found;
  }
  if (Array.isArray(first)) {
    const lists = seen as readonly (readonly Attribute[])[];
    if (lists.some((list) => list.length !== first.length))
      throw new ExportError(`${where}: the number of axes changes with the sizes`);
    return first.map((_, i) =>
      mergeAttribute(
        lists.map((list) => list[i]),
        sizes,
        where,
      ),
    );
  }
  if (typeof first === 'object' && first !== null) {
    const objects = seen as readonly Record<string, Attribute>[];
    return Object.fromEntries(
      Object.keys(first).map((key) => [
        key,
        mergeAttribute(
          objects.map((o) => o[key]),
          sizes,
          `${where}, ${key}`,
        ),
      ]),
    );
  }
  if (seen.some((value) => value !== first))
    throw new ExportError(`${where}: ${seen.join(', ')} differs between sizes`);
  return first;
}

/** How a constant follows the sizes: not at all, element by element, as one number, or as a count. */
function changing(
  all: readonly ConstantData[],
  shape: readonly Dim[],
  sizes: readonly Sizes[],
  name: string,
): Pick<Constant, 'elements' | 'fill' | 'count'> {
  const first = all[0] as ConstantData;
  const isFixed = !shape.some(isSymbolic);
  if (isFixed && all.every((data) => isSame(data, first))) return {};
  if (isFixed && first.length <= FEW) {
    const elements = Array.from(first, (_, i) =>
      expressionFor(
        all.map((data) => data[i] as number),
        sizes,
        false,
      ),
    );
    if (elements.every((e) => e !== undefined)) return { elements };
  }
  const value = first[0] as number;
  if (all.every((data) => data.every((v) => v === value))) return { fill: value };
  const [count] = shape;
  if (shape.length === 1 && count !== undefined && all.every((data) => data.every((v, i) => v === i)))
    return { count };
  throw new ExportError(
    `the values of \`${name}\` change between traces: random, or computed from an input on the host`,
  );
}

function isSame(a: ConstantData, b: ConstantData): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
