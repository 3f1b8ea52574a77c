import { tf } from '../../tf/index.js';
import {
  addValue,
  type Constant,
  type ConstantData,
  dimsOf,
  type Graph,
  inputOf,
  inputsOf,
  type Node,
  outputOf,
  replaceUses,
  shapeOf,
  valueAt,
} from './graph.js';
import { isSymbolic, label } from './symbols.js';

/** Results of these that are larger than this and than their input are not stored. */
const GROWING = new Set(['GatherV2', 'Tile']);
const LARGE = 2 ** 16;

/** Composite kernels taken apart, constants folded, what does nothing or is needed by nothing dropped, doubles joined. */
export function simplify(graph: Graph): void {
  lower(graph);
  foldConstants(graph);
  joinReshapes(graph);
  dropNoOps(graph);
  shareEqual(graph);
  dropDead(graph);
}

const activations: Readonly<Record<string, string>> = {
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
};

/** `_FusedMatMul` and `FusedConv2D` become product, Add, activation; `ExpandDims` becomes `Reshape`. */
function lower(graph: Graph): void {
  graph.nodes = graph.nodes.flatMap((node): Node[] => {
    if (node.kernel === 'ExpandDims' || node.kernel === 'Reshape')
      return [{ ...node, kernel: 'Reshape', inputs: { x: inputOf(node) }, attrs: {} }];
    if (node.kernel !== 'FusedConv2D' && node.kernel !== '_FusedMatMul') return [node];
    const { bias, ...inputs } = node.inputs;
    const { activation, leakyreluAlpha: _, ...attrs } = node.attrs;
    const kernel = node.kernel === 'FusedConv2D' ? 'Conv2D' : 'BatchMatMul';
    const steps: Node[] = [{ ...node, kernel, inputs, attrs }];
    const like = valueAt(graph, outputOf(node));
    const then = (next: string, more: Record<string, number>): void => {
      const middle = addValue(graph, like);
      (steps.at(-1) as { outputs: readonly number[] }).outputs = [middle];
      const { scope, outputs } = node;
      steps.push({ kernel: next, scope, inputs: { a: middle, ...more }, attrs: {}, outputs });
    };
    if (bias !== undefined) then('Add', { b: bias });
    if (typeof activation === 'string' && activation !== 'linear')
      then(activations[activation] ?? `activation ${activation}`, {});
    return steps;
  });
}

/** Runs once and for all what depends on constants only. */
function foldConstants(graph: Graph): void {
  graph.nodes = graph.nodes.filter((node) => {
    const known = inputsOf(node).map((id) => graph.consts.get(id));
    const changes = (c: Constant | undefined): boolean =>
      c === undefined || c.elements !== undefined || c.fill !== undefined || c.count !== undefined;
    const size = (ids: readonly number[]) =>
      Math.max(...ids.map((id) => valueAt(graph, id).example.reduce((a, b) => a * b, 1)));
    if (
      known.some(changes) ||
      node.outputs.some((id) => shapeOf(graph, id).some(isSymbolic)) ||
      JSON.stringify(node.attrs).includes('"terms"')
    )
      return true;
    if (GROWING.has(node.kernel) && size(node.outputs) > LARGE && size(node.outputs) > size(inputsOf(node)))
      return true;
    const weight = known.find((c) => c?.isWeight);
    const isWeight = weight !== undefined;
    for (const [i, { data, shape }] of fold(graph, node).entries()) {
      const id = node.outputs[i] as number;
      const name = isWeight ? `${weight.name}/${id}` : `constant_${id}`;
      graph.consts.set(id, { name, isWeight, data, shape });
    }
    return false;
  });
}

/** What a step makes of constants. Most weights are reshaped only, and all programs share their contents. */
function fold(graph: Graph, node: Node): Pick<Constant, 'data' | 'shape'>[] {
  if (node.kernel === 'Reshape') {
    const { data } = graph.consts.get(inputOf(node)) as Constant;
    return [{ data, shape: valueAt(graph, outputOf(node)).example }];
  }
  const results = tf.tidy(() => execute(graph, node));
  const folded = results.map((t) => ({ data: t.dataSync().slice() as ConstantData, shape: t.shape }));
  tf.dispose(results);
  return folded;
}

function execute(graph: Graph, node: Node): tf.Tensor[] {
  const make = (id: number): tf.Tensor =>
    tf.tensor(
      (graph.consts.get(id) as Constant).data,
      [...valueAt(graph, id).example],
      valueAt(graph, id).dtype,
    );
  const keys = Object.keys(node.inputs);
  const isList = keys.length > 0 && keys.every((key) => /^\d+$/.test(key));
  const inputs = isList
    ? inputsOf(node).map(make)
    : Object.fromEntries(Object.entries(node.inputs).map(([key, id]) => [key, make(id)]));
  const attrs = { ...node.attrs, reductionIndices: node.attrs['axis'] };
  const out = tf.engine().runKernel(node.kernel, inputs as tf.NamedTensorMap, attrs as never);
  return (Array.isArray(out) ? out : [out]) as tf.Tensor[];
}

/** A reshape of a reshape is one reshape. */
function joinReshapes(graph: Graph): void {
  const makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  for (const node of graph.nodes.filter((n) => n.kernel === 'Reshape')) {
    let x = inputOf(node);
    for (let up = makers.get(x); up?.kernel === 'Reshape'; up = makers.get(x)) x = inputOf(up);
    node.inputs = { x };
  }
}

/** Drops clones, casts to the same type, reshapes and tiles to the same shape, transposes that move nothing. */
function dropNoOps(graph: Graph): void {
  const replacement = new Map<number, number>();
  graph.nodes = graph.nodes.filter((node) => {
    if (inputsOf(node).length !== 1) return true;
    const [from, to] = [valueAt(graph, inputOf(node)), valueAt(graph, outputOf(node))];
    const isSameShape = from.shape.map(label).join() === to.shape.map(label).join();
    const isNothing =
      node.kernel === 'Identity' ||
      (node.kernel === 'Cast' && from.dtype === to.dtype) ||
      (['Reshape', 'Tile', 'Slice'].includes(node.kernel) && isSameShape) ||
      (node.kernel === 'Transpose' && dimsOf(node.attrs['perm']).every((p, i) => p === i));
    if (isNothing) replacement.set(outputOf(node), inputOf(node));
    return !isNothing;
  });
  replaceUses(graph, replacement);
}

/** Joins constants with the same content and steps that do the same. */
function shareEqual(graph: Graph): void {
  const replacement = new Map<number, number>();
  const seen = new Map<string, number[]>();
  for (const [id, c] of graph.consts) {
    const { data, shape, elements, fill, count } = c;
    const key = JSON.stringify([
      valueAt(graph, id).dtype,
      shape,
      elements,
      fill,
      count,
      data.length,
      data[1],
    ]);
    const twins = seen.get(key) ?? [];
    const twin = twins.find((other) => isSameData((graph.consts.get(other) as Constant).data, data, c));
    if (twin === undefined) seen.set(key, [...twins, id]);
    else replacement.set(id, twin);
  }
  replaceUses(graph, replacement);
  const done = new Map<string, readonly number[]>();
  const doubles = new Map<number, number>();
  graph.nodes = graph.nodes.filter((node) => {
    node.inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([key, id]) => [key, doubles.get(id) ?? id]),
    );
    const shapes = node.outputs.map((id) => shapeOf(graph, id));
    const key = JSON.stringify([node.kernel, node.inputs, node.attrs, shapes]);
    const before = done.get(key);
    if (before === undefined) done.set(key, node.outputs);
    else for (const [i, id] of node.outputs.entries()) doubles.set(id, before[i] as number);
    return before === undefined;
  });
  replaceUses(graph, doubles);
}

function isSameData(a: ConstantData, b: ConstantData, { fill, count, elements }: Constant): boolean {
  if (fill !== undefined || count !== undefined || elements !== undefined) return true; // told by the key
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

export function dropDead(graph: Graph): void {
  const needed = new Set(Object.values(graph.outputs));
  graph.nodes = graph.nodes.toReversed().filter((node) => {
    if (!node.outputs.some((id) => needed.has(id))) return false;
    for (const id of inputsOf(node)) needed.add(id);
    return true;
  });
  graph.nodes.reverse();
  for (const id of [...graph.consts.keys()]) if (!needed.has(id)) graph.consts.delete(id);
}
