import { compiled } from '../../graph/compiled.js';
import type { Runnable } from '../../graph/runnable.js';
import type { CellSam } from '../../models/cellsam.js';
import { weightsOf } from '../../models/parameters.js';
import { maskDecoderForMany } from '../../models/sam/maskDecoderForMany.js';
import type { SharedImage } from '../../models/sam/sharedImage.js';
import { isOnGpu, tf } from '../../tf/index.js';

/** Prompts that the graph takes; fewer are filled up, which from so few on costs less than operation by operation. */
const PROMPTS = { from: 11, to: 16 } as const;

type Tensors = Record<string, tf.Tensor>;

/** Graphs by the shapes of what they take. They hold no weights, so that all models and engines share them. */
const graphs = new Map<string, Promise<Runnable | undefined>>();

/**
 * `maskDecoderForMany` as one graph of TensorFlow's, in two thirds of the time (`npm run bench -- segment`). It is made when it
 * is first needed. Weights are inputs, so that they may change meanwhile.
 *
 * @param sparse `[n, t, C]`
 * @returns the caller's; undefined where there is no graph for so many prompts or on this backend
 */
export async function decodeCompiled(
  model: CellSam,
  shared: SharedImage,
  sparse: tf.Tensor3D,
): Promise<{ masks: tf.Tensor4D; iou: tf.Tensor2D } | undefined> {
  const n = sparse.shape[0];
  // On a GPU every input would travel to the processor's memory and back.
  if (n < PROMPTS.from || n > PROMPTS.to || isOnGpu()) return undefined;
  const filled = filledUp(sparse);
  try {
    const inputs: Tensors = { ...decoderWeights(model), ...tensorsOf(shared), sparse: filled };
    const graph = await graphFor(model, shared, inputs);
    if (graph === undefined) return undefined;
    return tf.tidy(() => {
      const { masks, iou } = graph.run(inputs) as { masks: tf.Tensor4D; iou: tf.Tensor2D };
      return n === PROMPTS.to ? { masks, iou } : { masks: masks.slice(0, n), iou: iou.slice(0, n) };
    });
  } finally {
    filled.dispose();
  }
}

function graphFor({ config }: CellSam, shared: SharedImage, inputs: Tensors): Promise<Runnable | undefined> {
  const { height, width } = shared;
  const shapes = Object.entries(inputs).map(([name, { shape }]) => [name, shape]);
  const key = JSON.stringify([config.maskDecoder, height, width, shapes]);
  const known = graphs.get(key);
  if (known !== undefined) return known;
  const made = compiled((given) => {
    const own = mapped(shared, 'shared', (_, place) => given[place] as tf.Tensor);
    const weights = weightsOf((name) => given[name]);
    return maskDecoderForMany(own, given['sparse'] as tf.Tensor3D, weights, config.maskDecoder);
  }, inputs).catch(() => undefined); // its operations one by one do as well
  graphs.set(key, made);
  return made;
}

/** The decoder's weights by their names within it. */
function decoderWeights({ parameters, config }: CellSam): Tensors {
  const prefix = `${config.maskBranch}.mask_decoder.`;
  const own = parameters.names().filter((name) => name.startsWith(prefix));
  return Object.fromEntries(own.map((name) => [name.slice(prefix.length), parameters.get(name)]));
}

/** Further prompts of zeros, up to the most; their masks mean nothing. */
const filledUp = (sparse: tf.Tensor3D): tf.Tensor3D =>
  tf.pad3d(sparse, [
    [0, PROMPTS.to - sparse.shape[0]],
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

/** The same lists and objects with other tensors. */
function mapped<T>(tree: T, place: string, f: (x: tf.Tensor, place: string) => tf.Tensor): T {
  if (tree instanceof tf.Tensor) return f(tree, place) as T;
  if (Array.isArray(tree)) return tree.map((x, i) => mapped(x, `${place}/${i}`, f)) as T;
  if (typeof tree !== 'object' || tree === null) return tree;
  const entries = Object.entries(tree).map(([key, x]) => [key, mapped(x, `${place}/${key}`, f)]);
  return Object.fromEntries(entries) as T;
}
