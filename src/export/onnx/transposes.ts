import type { OnnxGraph, OnnxNode } from './onnxGraph.js';

const UNARY = new Set(['Erf', 'Relu', 'Sigmoid', 'Tanh', 'Cast', 'Sqrt', 'Reciprocal', 'Exp', 'Gelu']);
const BINARY = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min']);
/** Steps that a transpose is moved past at most, looking for one that undoes it. */
const REACH = 12;

const permOf = (node: OnnxNode): readonly number[] => node.attrs['perm'] as readonly number[];

/**
 * Convolutions on channels-last values come out as Transpose, Conv, Transpose. Two transposes in a row become one, or
 * none; one before element-wise steps is moved behind them where it then meets another.
 */
export function cancelTransposes(graph: OnnxGraph): void {
  for (let changes = true; changes; ) {
    const edges = new Edges(graph);
    changes = graph.nodes.some(
      (node) => joined(node, edges) || (edges.isElementWise(node) && moved(graph, node, edges)),
    );
    graph.tidy();
  }
}

class Edges {
  readonly #makers: ReadonlyMap<string, OnnxNode>;
  readonly #users = new Map<string, OnnxNode[]>();
  readonly #outputs: ReadonlySet<string>;

  constructor(graph: OnnxGraph) {
    this.#makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((o) => [o, node] as const)));
    for (const node of graph.nodes)
      for (const input of node.inputs) this.#users.set(input, [...this.users(input), node]);
    this.#outputs = new Set(graph.outputs.map((o) => o.name));
  }

  transposeOf(name: string): OnnxNode | undefined {
    const maker = this.#makers.get(name);
    return maker?.type === 'Transpose' ? maker : undefined;
  }

  users(name: string): readonly OnnxNode[] {
    return this.#users.get(name) ?? [];
  }

  isElementWise(node: OnnxNode): boolean {
    return (UNARY.has(node.type) || BINARY.has(node.type)) && !this.#outputs.has(node.outputs[0] ?? '');
  }

  leadsToTranspose(name: string, depth = 0): boolean {
    if (depth >= REACH) return false;
    return this.users(name).some(
      (user) =>
        user.type === 'Transpose' ||
        (this.isElementWise(user) && this.leadsToTranspose(user.outputs[0] as string, depth + 1)),
    );
  }
}

/** A transpose of a transpose becomes one. */
function joined(node: OnnxNode, edges: Edges): boolean {
  const up = node.type === 'Transpose' ? edges.transposeOf(node.inputs[0] as string) : undefined;
  if (up === undefined) return false;
  const perm = permOf(node).map((p) => permOf(up)[p] as number);
  const isNothing = perm.every((p, i) => p === i);
  node.type = isNothing ? 'Identity' : 'Transpose';
  node.attrs = isNothing ? {} : { perm };
  node.inputs = [up.inputs[0] as string];
  return true;
}

/** `f(transpose(x))` becomes `transpose(f(x))`; other operands must be constants over the last axis. */
function moved(graph: OnnxGraph, node: OnnxNode, edges: Edges): boolean {
  const first = node.inputs.map((i) => edges.transposeOf(i)).find((t) => t !== undefined);
  const output = node.outputs[0] as string;
  if (first === undefined || !edges.leadsToTranspose(output)) return false;
  if (!edges.users(first.outputs[0] as string).every((user) => user === node || edges.isElementWise(user)))
    return false;
  const perm = permOf(first);
  const isLike = (t: OnnxNode | undefined) => t !== undefined && permOf(t).join() === perm.join();
  const others = node.inputs.filter((i) => !isLike(edges.transposeOf(i)));
  if (!others.every((i) => (graph.initialisers.get(i)?.dims.length ?? 2) <= 1)) return false;
  node.inputs = node.inputs.map((input) => {
    const transpose = edges.transposeOf(input);
    if (transpose !== undefined) return transpose.inputs[0] as string;
    const constant = graph.initialisers.get(input);
    if (constant === undefined || constant.data.length === 1) return input;
    const dims = perm.map(() => 1);
    dims[perm.at(-1) as number] = constant.data.length;
    return graph.constant(constant.dtype, dims, constant.data, `${input}/channels`);
  });
  const inner = graph.name(node.type);
  node.outputs = [inner];
  const turned = { type: 'Transpose', name: graph.name('Transpose'), inputs: [inner], outputs: [output] };
  graph.nodes.splice(graph.nodes.indexOf(node) + 1, 0, { ...turned, attrs: { perm } });
  return true;
}
