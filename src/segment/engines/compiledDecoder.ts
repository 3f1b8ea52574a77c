import { type Compiled, compiled } from '../../graph/compiled.js';
import type { CellSam } from '../../models/cellsam.js';
import { weightsOf } from '../../models/parameters.js';
import { maskDecoderForMany } from '../../models/sam/maskDecoderForMany.js';
import type { SharedImage } from '../../models/sam/sharedImage.js';
import { tf } from '../../tf/index.js';

/** Prompts that the graph takes. */
export const PROMPTS = 16;

type Tensors = Record<string, tf.Tensor>;

/**
 * `maskDecoderForMany` as one graph, which takes two thirds of the time (`npm run bench -- segment`). Weights are inputs, so
 * that they may change meanwhile.
 */
export class CompiledDecoder {
  readonly #model: CellSam;
  readonly #graph: Compiled;

  private constructor(model: CellSam, graph: Compiled) {
    this.#model = model;
    this.#graph = graph;
  }

  /**
   * @param shared of any image of the model's size @param sparse any prompts as long as those to come, `[n, t, C]`
   * @returns undefined on the WebAssembly backend
   */
  static async of(
    model: CellSam,
    shared: SharedImage,
    sparse: tf.Tensor3D,
  ): Promise<CompiledDecoder | undefined> {
    const { maskDecoder: config } = model.config;
    const examples = { ...weightsOfDecoder(model), ...tensorsOf(shared), sparse: filledUp(sparse) };
    const graph = await compiled((given) => {
      const own = withTensors(shared, given as Tensors);
      return maskDecoderForMany(
        own,
        given['sparse'] as tf.Tensor3D,
        weightsOf((name) => given[name]),
        config,
      );
    }, examples);
    examples.sparse.dispose();
    return graph && new CompiledDecoder(model, graph);
  }

  /** As `maskDecoderForMany`. @param sparse `[n, t, C]`, n up to `PROMPTS` */
  run(shared: SharedImage, sparse: tf.Tensor3D): { masks: tf.Tensor4D; iou: tf.Tensor2D } {
    return tf.tidy(() => {
      const given = { ...weightsOfDecoder(this.#model), ...tensorsOf(shared), sparse: filledUp(sparse) };
      const { masks, iou } = this.#graph.run(given) as { masks: tf.Tensor4D; iou: tf.Tensor2D };
      const n = sparse.shape[0];
      if (n === PROMPTS) return { masks, iou };
      return { masks: masks.slice(0, n), iou: iou.slice(0, n) };
    });
  }

  dispose(): void {
    this.#graph.dispose();
  }
}

/** The decoder's weights by their names within it. */
function weightsOfDecoder({ parameters, config }: CellSam): Tensors {
  const prefix = `${config.maskBranch}.mask_decoder.`;
  const own = parameters.names().filter((name) => name.startsWith(prefix));
  return Object.fromEntries(own.map((name) => [name.slice(prefix.length), parameters.get(name)]));
}

/** Further prompts of zeros, up to `PROMPTS`; their masks mean nothing. */
const filledUp = (sparse: tf.Tensor3D): tf.Tensor3D =>
  tf.pad3d(sparse, [
    [0, PROMPTS - sparse.shape[0]],
    [0, 0],
    [0, 0],
  ]);

/** Every tensor within, by its place: `shared/layers/0/norm/squares`. */
function tensorsOf(shared: SharedImage): Tensors {
  const found: Tensors = {};
  mapped(shared, 'shared', (x, place) => {
    found[place] = x;
    return x;
  });
  return found;
}

const withTensors = (shared: SharedImage, given: Tensors): SharedImage =>
  mapped(shared, 'shared', (_, place) => given[place] as tf.Tensor);

/** The same lists and objects with other tensors. */
function mapped<T>(tree: T, place: string, f: (x: tf.Tensor, place: string) => tf.Tensor): T {
  if (tree instanceof tf.Tensor) return f(tree, place) as T;
  if (Array.isArray(tree)) return tree.map((x, i) => mapped(x, `${place}/${i}`, f)) as T;
  if (typeof tree !== 'object' || tree === null) return tree;
  const entries = Object.entries(tree).map(([key, x]) => [key, mapped(x, `${place}/${key}`, f)]);
  return Object.fromEntries(entries) as T;
}
