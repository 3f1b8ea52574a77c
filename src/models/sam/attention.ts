import { isPortable, tf } from '../../tf/index.js';
import { linear, project } from '../linear.js';
import type { Weights } from '../parameters.js';

/** Scores of one call are kept below this many, so that global attention on large images needs no gigabytes. */
const MAX_SCORES = 2 ** 25;

/**
 * Multi-head self attention over a grid with decomposed relative positions (Kirillov et al. 2023; Li et al. 2022):
 * `softmax(q k^T / sqrt(hd) + q . Rh + q . Rw) v`, where the relative terms use q before it is scaled.
 *
 * They are folded into the product: `[q / sqrt(hd), q . Rh, q . Rw] [k, row one-hot, column one-hot]^T`.
 *
 * @param x `[B, H, W, D]`, a window or the whole grid
 * @returns `[B, H, W, D]`
 */
export function gridAttention(x: tf.Tensor4D, weights: Weights, numHeads: number): tf.Tensor4D {
  return tf.tidy(() => {
    const [batch, height, width, dim] = x.shape;
    const headDim = dim / numHeads;
    const tokens = height * width;
    const heads = (part: number) =>
      splitHeads(qkvPart(x, weights, part, dim), batch, tokens, numHeads, headDim);
    const [q, k, v] = [heads(0), heads(1), heads(2)];
    const scaled = q.mul(headDim ** -0.5) as tf.Tensor3D;
    let left = scaled;
    let right = k;
    if (weights.has('rel_pos_h')) {
      const grid = q.reshape([batch * numHeads, height, width, headDim]) as tf.Tensor4D;
      left = tf.concat(
        [
          scaled,
          relativeRows(grid, weights.get('rel_pos_h')),
          relativeColumns(grid, weights.get('rel_pos_w')),
        ],
        2,
      );
      right = tf.concat([k, gridOneHot(height, width, batch * numHeads)], 2);
    }
    const mixed = attend(left, right, v);
    const joined = mixed.reshape([batch, numHeads, tokens, headDim]).transpose([0, 2, 1, 3]);
    return linear(joined.reshape([batch, height, width, dim]), weights, 'proj') as tf.Tensor4D;
  });
}

/** Queries (0), keys (1) or values (2): a third of the joint projection, without splitting its result. */
function qkvPart(x: tf.Tensor4D, weights: Weights, part: number, dim: number): tf.Tensor {
  const matrix = weights.get('qkv.weight').slice([0, part * dim], [dim, dim]);
  const bias = weights.has('qkv.bias') ? weights.get('qkv.bias').slice([part * dim], [dim]) : undefined;
  return project(x, matrix, bias);
}

/** `[B, N, D] -> [B * heads, N, hd]`. */
function splitHeads(
  x: tf.Tensor,
  batch: number,
  tokens: number,
  heads: number,
  headDim: number,
): tf.Tensor3D {
  return x
    .reshape([batch, tokens, heads, headDim])
    .transpose([0, 2, 1, 3])
    .reshape([batch * heads, tokens, headDim]);
}

/** `softmax(left right^T) v` over a leading batch, in pieces that bound the scores in memory. */
function attend(left: tf.Tensor3D, right: tf.Tensor3D, v: tf.Tensor3D): tf.Tensor3D {
  const [batch, tokens] = left.shape;
  const step = Math.max(1, Math.floor(MAX_SCORES / (tokens * tokens)));
  const piece = (l: tf.Tensor3D, r: tf.Tensor3D, values: tf.Tensor3D) =>
    tf.tidy(() => tf.matMul(tf.matMul(l, r, false, true).softmax(), values) as tf.Tensor3D);
  if (step >= batch || isPortable()) return piece(left, right, v);
  const pieces: tf.Tensor3D[] = [];
  for (let from = 0; from < batch; from += step) {
    const count = Math.min(step, batch - from);
    const cut = (t: tf.Tensor3D) => t.slice([from, 0, 0], [count, -1, -1]) as tf.Tensor3D;
    pieces.push(tf.tidy(() => piece(cut(left), cut(right), cut(v))));
  }
  return tf.concat(pieces, 0) as tf.Tensor3D;
}

/** `q . Rh[y, y']` for every query and key row: `[BH, H, W, hd] -> [BH, N, H]`. */
function relativeRows(q: tf.Tensor4D, table: tf.Tensor): tf.Tensor3D {
  const [batch, height, width, headDim] = q.shape;
  const r = relativeTable(table, height); // [H, H', hd]
  const rows = q.transpose([1, 0, 2, 3]).reshape([height, batch * width, headDim]);
  const terms = tf.matMul(rows, r, false, true).reshape([height, batch, width, height]);
  return terms.transpose([1, 0, 2, 3]).reshape([batch, height * width, height]);
}

/** `q . Rw[x, x']` for every query and key column: `[BH, H, W, hd] -> [BH, N, W]`. */
function relativeColumns(q: tf.Tensor4D, table: tf.Tensor): tf.Tensor3D {
  const [batch, height, width, headDim] = q.shape;
  const r = relativeTable(table, width);
  const columns = q.transpose([2, 0, 1, 3]).reshape([width, batch * height, headDim]);
  const terms = tf.matMul(columns, r, false, true).reshape([width, batch, height, width]);
  return terms.transpose([1, 2, 0, 3]).reshape([batch, height * width, width]);
}

/**
 * `[size, size, hd]`: the entry of offset `query - key`. A table of another length is resampled linearly with half-pixel
 * centres, as SAM does when the image size differs from the weights'.
 */
export function relativeTable(table: tf.Tensor, size: number): tf.Tensor3D {
  const needed = 2 * size - 1;
  const fitted = table.shape[0] === needed ? table : resampleRows(table as tf.Tensor2D, needed);
  const offsets = Int32Array.from(
    { length: size * size },
    (_, i) => Math.floor(i / size) - (i % size) + size - 1,
  );
  return fitted.gather(tf.tensor1d(offsets, 'int32')).reshape([size, size, -1]);
}

function resampleRows(table: tf.Tensor2D, needed: number): tf.Tensor {
  const length = table.shape[0];
  const positions = Array.from({ length: needed }, (_, i) =>
    Math.max(0, ((i + 0.5) * length) / needed - 0.5),
  );
  const lower = positions.map((p) => Math.min(length - 1, Math.floor(p)));
  const share = tf.tensor2d(
    positions.map((p, i) => p - (lower[i] as number)),
    [needed, 1],
  );
  const low = table.gather(tf.tensor1d(lower, 'int32'));
  const high = table.gather(
    tf.tensor1d(
      lower.map((l) => Math.min(length - 1, l + 1)),
      'int32',
    ),
  );
  return low.mul(tf.sub(1, share)).add(high.mul(share));
}

/** `[repeat, N, H + W]`: row and column of each key as one-hot vectors. */
function gridOneHot(height: number, width: number, repeat: number): tf.Tensor3D {
  const data = new Float32Array(height * width * (height + width));
  for (let i = 0; i < height * width; i++) {
    data[i * (height + width) + Math.floor(i / width)] = 1;
    data[i * (height + width) + height + (i % width)] = 1;
  }
  return tf.tensor3d(data, [1, height * width, height + width]).tile([repeat, 1, 1]);
}
