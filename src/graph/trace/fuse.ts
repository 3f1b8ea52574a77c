import { axesOf, type Graph, inputOf, inputsOf, type Node, shapeOf } from './graph.js';
import { dropDead } from './simplify.js';

/** How many chains were replaced, by the operator that replaces them. */
export type FuseReport = Readonly<Record<'LayerNorm' | 'Gelu', number>>;

/**
 * Replaces chains that a target has as one operator: layer normalisation over the last axis, and the exact GELU. The
 * graph is changed; TensorFlow has neither operator, so its writers take the graph before this.
 */
export function fuse(graph: Graph): FuseReport {
  const report = { LayerNorm: 0, Gelu: 0 };
  const finder = new Finder(graph);
  for (const node of graph.nodes) {
    const hit =
      node.kernel === 'Multiply'
        ? finder.gelu(node)
        : node.kernel === 'Add'
          ? finder.layerNorm(node)
          : undefined;
    if (hit === undefined) continue;
    Object.assign(node, hit);
    report[hit.kernel]++;
  }
  dropDead(graph);
  return report;
}

interface Hit {
  readonly kernel: keyof FuseReport;
  readonly inputs: Record<string, number>;
  readonly attrs: Node['attrs'];
}

class Finder {
  readonly #graph: Graph;
  readonly #makers: ReadonlyMap<number, Node>;
  readonly #uses = new Map<number, number>();

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#makers = new Map(graph.nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
    const used = [...graph.nodes.flatMap(inputsOf), ...Object.values(graph.outputs)];
    for (const id of used) this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
  }

  /** `x (1 + erf(x / sqrt 2)) / 2`, the factors in any order. */
  gelu(node: Node): Hit | undefined {
    const parts = inputsOf(node).flatMap((id) => this.#factors(id));
    if (parts.length !== 3) return undefined;
    const half = parts.findIndex((id) => this.#is(id, 0.5));
    const gates = parts.map((id) => this.#gated(id));
    const gate = gates.findIndex((x) => x !== undefined);
    const x = parts.find((_, i) => i !== half && i !== gate);
    if (half < 0 || gate < 0 || x === undefined || gates[gate] !== x) return undefined;
    return { kernel: 'Gelu', inputs: { x }, attrs: {} };
  }

  /** For `1 + erf(x / sqrt 2)`, x. */
  #gated(id: number): number | undefined {
    return this.#either(this.#made(id, 'Add'), (one, erf) => {
      const inner = this.#made(erf, 'Erf');
      if (!this.#is(one, 1) || inner === undefined) return undefined;
      const scaled = this.#made(inputOf(inner), 'Multiply', 'RealDiv');
      const by = scaled?.kernel === 'RealDiv' ? Math.SQRT2 : Math.SQRT1_2;
      return this.#either(scaled, (x, factor) => (this.#is(factor, by) ? x : undefined));
    });
  }

  #factors(id: number): number[] {
    const node = this.#made(id, 'Multiply');
    if (node === undefined || this.#uses.get(id) !== 1) return [id];
    return inputsOf(node).flatMap((inner) => this.#factors(inner));
  }

  /** `(x - mean(x)) rsqrt(mean((x - mean(x))^2) + eps) weight + bias` over the last axis. */
  layerNorm(node: Node): Hit | undefined {
    return this.#either(node, (beta, scaled) =>
      this.#either(this.#made(scaled, 'Multiply'), (gamma, normed) => {
        const found = this.#normalised(normed);
        if (found === undefined || !this.#isChannels(gamma, found.x) || !this.#isChannels(beta, found.x))
          return undefined;
        return {
          kernel: 'LayerNorm',
          inputs: { x: found.x, gamma, beta },
          attrs: { epsilon: found.epsilon },
        };
      }),
    );
  }

  #normalised(id: number): { readonly x: number; readonly epsilon: number } | undefined {
    return this.#either(this.#made(id, 'Multiply'), (centred, inverse) => {
      const [sub, root] = [this.#made(centred, 'Sub'), this.#made(inverse, 'Rsqrt')];
      if (sub === undefined || root === undefined) return undefined;
      const x = inputOf(sub);
      const isMean = this.#lastMean(inputsOf(sub)[1]) === x;
      return this.#either(this.#made(inputOf(root), 'Add'), (variance, epsilon) => {
        const value = this.#scalar(epsilon);
        const square = this.#made(this.#lastMean(variance), 'Square');
        if (!isMean || value === undefined || square === undefined || inputOf(square) !== centred)
          return undefined;
        return { x, epsilon: value };
      });
    });
  }

  /** For a mean over the last axis, what is averaged. */
  #lastMean(id: number | undefined): number | undefined {
    const mean = this.#made(id, 'Mean');
    if (mean === undefined) return undefined;
    const rank = shapeOf(this.#graph, inputOf(mean)).length;
    const axes = axesOf(mean.attrs['axis'], rank);
    return axes.length === 1 && axes[0] === rank - 1 ? inputOf(mean) : undefined;
  }

  #isChannels(id: number, x: number): boolean {
    return this.#graph.consts.get(id)?.data.length === shapeOf(this.#graph, x).at(-1);
  }

  #made(id: number | undefined, ...kernels: readonly string[]): Node | undefined {
    const node = id === undefined ? undefined : this.#makers.get(id);
    return node !== undefined && kernels.includes(node.kernel) ? node : undefined;
  }

  #scalar(id: number): number | undefined {
    const c = this.#graph.consts.get(id);
    return c?.data.length === 1 && c.elements === undefined ? c.data[0] : undefined;
  }

  #is(id: number, value: number): boolean {
    return Math.abs((this.#scalar(id) ?? Number.NaN) - value) < 1e-6;
  }

  /** Both operands of a node in either order, until `f` accepts one. */
  #either<T>(node: Node | undefined, f: (a: number, b: number) => T | undefined): T | undefined {
    if (node === undefined) return undefined;
    const [a, b] = inputsOf(node) as [number, number];
    return f(a, b) ?? f(b, a);
  }
}
