import { gelu, tf } from '../../tf/index.js';
import { groupNorm, linear, norm } from '../linear.js';
import type { Weights } from '../parameters.js';

export type DenseOutput = {
  readonly kind: 'dense';
  /** `[B, cells]`, row by row over the finer grid. */
  readonly logits: tf.Tensor2D;
  /** `[B, cells, 4]` x0, y0, x1, y1 in pixels of the encoded image. */
  readonly boxes: tf.Tensor3D;
  /** Pixels between two cells. */
  readonly stride: number;
};

const GROUPS = 8;
const EPS = 1e-5;
/** Bounds of the log size in strides: 4 px cells give sides of 0.2 to 600 px. */
const LOG_SIZE = [-3, 5] as const;

/**
 * Anchor-free proposals from every cell of a grid twice as fine as the tokens: a score, an offset of the centre and a log
 * size. It shares its weights over all cells and so learns from few images, where learned queries need thousands of
 * steps (compare Tian et al. 2019, FCOS; the option `proposals: dense`).
 *
 * @param tokens `[B, h, w, D]` @param stride4 `[B, 2h, 2w, 64]`, the convolutional stem's map, joined to the tokens' if any
 * @param weights below `cellfinder.decode_head.dense`
 */
export function denseProposals(
  tokens: tf.Tensor4D,
  stride4: tf.Tensor4D | undefined,
  weights: Weights,
  stride: number,
): DenseOutput {
  return tf.tidy(() => {
    const [batch, height, width] = tokens.shape;
    const up = linear(norm(tokens, weights, 'norm', EPS), weights, 'up');
    const channels = (up.shape[3] as number) / 4;
    const fine = up
      .reshape([batch * height, width, 2, 2, channels])
      .transpose([0, 2, 1, 3, 4])
      .reshape([batch, 2 * height, 2 * width, channels]);
    const joined = (stride4 === undefined ? fine : fine.add(linear(stride4, weights, 'side'))) as tf.Tensor4D;
    const mixed = tf
      .conv2d(joined, weights.get('conv.weight') as tf.Tensor4D, 1, 'same')
      .add(weights.get('conv.bias')) as tf.Tensor4D;
    const features = gelu(groupNorm(mixed, weights, 'conv_norm', GROUPS, EPS));
    const cells = 4 * height * width;
    const logits = linear(features, weights, 'score').reshape([batch, cells]) as tf.Tensor2D;
    const raw = linear(features, weights, 'box').reshape([batch, cells, 4]);
    const centre = raw
      .slice([0, 0, 0], [-1, -1, 2])
      .mul(stride)
      .add(cellCentres(2 * height, 2 * width, stride));
    const half = raw
      .slice([0, 0, 2], [-1, -1, 2])
      .clipByValue(LOG_SIZE[0], LOG_SIZE[1])
      .exp()
      .mul(stride / 2);
    const boxes = tf.concat([centre.sub(half), centre.add(half)], 2) as tf.Tensor3D;
    return { kind: 'dense' as const, logits, boxes, stride };
  });
}

/** `[1, cells, 2]` x, y of the cells' centres in pixels. */
function cellCentres(rows: number, columns: number, stride: number): tf.Tensor3D {
  const data = new Float32Array(rows * columns * 2);
  for (let i = 0; i < rows * columns; i++) {
    data[2 * i] = ((i % columns) + 0.5) * stride;
    data[2 * i + 1] = (Math.floor(i / columns) + 0.5) * stride;
  }
  return tf.tensor3d(data, [1, rows * columns, 2]);
}
