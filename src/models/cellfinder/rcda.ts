import { tf } from '../../tf/index.js';
import { isLean } from '../gradientPlan.js';
import { leanAttention } from '../lean/attention.js';
import { rowColumnMix } from '../lean/rowColumnMix.js';
import { linear, project } from '../linear.js';
import type { Weights } from '../parameters.js';

const MASKED = -1e9;

/** Queries and keys with their positions added, and values. Q queries, an `h x w` map of keys. */
export interface RowColumnInputs {
  /** `[B, Q, E]`. */
  readonly queryRow: tf.Tensor;
  readonly queryColumn: tf.Tensor;
  /** `[B, w, E]` and `[B, h, E]`: averaged over the other axis, see `averagedKeys`. */
  readonly keyRow: tf.Tensor;
  readonly keyColumn: tf.Tensor;
  /** `[B, h, w, E]`. */
  readonly value: tf.Tensor;
  /** `[B, h, w]`, true where padded. */
  readonly padding: tf.Tensor3D;
}

/**
 * Keys of a map `[B, h, w, E]` with the positions of its columns `[B, 1, w, E]` and rows `[B, h, 1, E]`, averaged over the
 * other axis before they are projected, which is exact and cheaper.
 */
export const averagedKeys = (
  map: tf.Tensor4D,
  row: tf.Tensor,
  column: tf.Tensor,
): { readonly row: tf.Tensor; readonly column: tf.Tensor } => ({
  row: map.mean(1).add(row.squeeze([1])),
  column: map.mean(2).add(column.squeeze([2])),
});

/**
 * Row-column decoupled attention (Wang et al. 2022): one softmax over the columns and one over the rows in place of one
 * over all pixels.
 *
 * @returns `[B, Q, E]`
 */
export function rowColumnAttention(inputs: RowColumnInputs, weights: Weights, heads: number): tf.Tensor {
  return tf.tidy(() => {
    const [batch, height, width, dim] = inputs.value.shape as [number, number, number, number];
    const headDim = dim / heads;
    const part = inProjections(weights, 5);
    const split = (x: tf.Tensor) => x.reshape([batch, -1, heads, headDim]).transpose([0, 2, 1, 3]); // [B, heads, ., hd]
    const weightsAlong = (query: tf.Tensor, key: tf.Tensor, masked: tf.Tensor) =>
      tf
        .matMul(split(query), split(key.mul(headDim ** -0.5)), false, true) // there are far fewer keys than queries
        .add(masked.expandDims(1).expandDims(1))
        .softmax();

    const maskRow = inputs.padding
      .slice([0, 0, 0], [-1, 1, -1])
      .reshape([batch, width])
      .toFloat()
      .mul(MASKED);
    const maskColumn = inputs.padding
      .slice([0, 0, 0], [-1, -1, 1])
      .reshape([batch, height])
      .toFloat()
      .mul(MASKED);
    const alongX = weightsAlong(part(inputs.queryRow, 0), part(inputs.keyRow, 2), maskRow); // [B, heads, Q, w]
    const alongY = weightsAlong(part(inputs.queryColumn, 1), part(inputs.keyColumn, 3), maskColumn); // [B, heads, Q, h]

    const value = part(inputs.value, 4).reshape([batch, height, width, heads, headDim]);
    const contract = isLean(weights) ? leanContraction : plainContraction;
    const mixed =
      height < width ? contract(alongX, alongY, value, 'x') : contract(alongY, alongX, value, 'y');
    const queries = mixed.shape[2] as number;
    const joined = mixed.transpose([0, 2, 1, 3]).reshape([batch, queries, dim]);
    return linear(joined, weights, 'out_proj');
  });
}

/** Sums `value` over the first axis' weights, then over the second's; the shorter axis goes first to keep less. */
function plainContraction(first: tf.Tensor, second: tf.Tensor, value: tf.Tensor, axis: 'x' | 'y'): tf.Tensor {
  const [batch, , queries] = first.shape as [number, number, number];
  const table = tableAlong(value, axis);
  const [heads, headDim] = value.shape.slice(3) as [number, number];
  const partial = tf.matMul(first, table).reshape([batch, heads, queries, -1, headDim]);
  return partial.mul(second.expandDims(-1)).sum(3); // [B, heads, Q, hd]
}

/** The same some queries at a time. */
function leanContraction(first: tf.Tensor, second: tf.Tensor, value: tf.Tensor, axis: 'x' | 'y'): tf.Tensor {
  const [batch, heads, queries] = first.shape as [number, number, number];
  const flat = (x: tf.Tensor): tf.Tensor3D => x.reshape([batch * heads, ...x.shape.slice(2)]) as tf.Tensor3D;
  const mixed = rowColumnMix(flat(first), flat(second), flat(tableAlong(value, axis)));
  return mixed.reshape([batch, heads, queries, -1]);
}

/** `[B, h, w, heads, hd] -> [B, heads, inner, outer * hd]`, with the axis that is summed first as the inner one. */
function tableAlong(value: tf.Tensor, axis: 'x' | 'y'): tf.Tensor {
  const [batch, height, width, heads] = value.shape as [number, number, number, number];
  const order = axis === 'x' ? [0, 3, 2, 1, 4] : [0, 3, 1, 2, 4];
  return value.transpose(order).reshape([batch, heads, axis === 'x' ? width : height, -1]);
}

/**
 * Multi-head attention with a joint in-projection (PyTorch's): `[B, Q, E]`.
 *
 * @param padding `[B, K]`, true where a key is padded
 */
export function plainAttention(
  query: tf.Tensor,
  key: tf.Tensor,
  value: tf.Tensor,
  weights: Weights,
  heads: number,
  padding?: tf.Tensor,
): tf.Tensor {
  return tf.tidy(() => {
    const dim = query.shape.at(-1) as number;
    const headDim = dim / heads;
    const batch = value.shape[0] as number;
    const part = inProjections(weights, 3);
    const bias = padding?.toFloat().mul(MASKED);
    if (isLean(weights)) {
      const channelsFirst = (x: tf.Tensor, index: number) => {
        const own = part(x, index).transpose([0, 2, 1]);
        return own.reshape([(own.shape[0] as number) * heads, headDim, -1]) as tf.Tensor3D;
      };
      const perHead = bias
        ?.expandDims(1)
        .tile([1, heads, 1])
        .reshape([batch * heads, -1]) as tf.Tensor2D | undefined;
      const scaled = channelsFirst(query, 0).mul(headDim ** -0.5) as tf.Tensor3D;
      const mixed = leanAttention(scaled, channelsFirst(key, 1), channelsFirst(value, 2), perHead);
      return linear(mixed.reshape([batch, dim, -1]).transpose([0, 2, 1]), weights, 'out_proj');
    }
    const split = (x: tf.Tensor, index: number) =>
      part(x, index)
        .reshape([x.shape[0] as number, -1, heads, headDim])
        .transpose([0, 2, 1, 3]);
    let scores = tf.matMul(split(query, 0).mul(headDim ** -0.5), split(key, 1), false, true);
    if (bias !== undefined) scores = scores.add(bias.expandDims(1).expandDims(1));
    const mixed = tf.matMul(scores.softmax(), split(value, 2)).transpose([0, 2, 1, 3]);
    return linear(mixed.reshape([batch, -1, dim]), weights, 'out_proj');
  });
}

/** The blocks of the stacked in-projection `[E, blocks * E]`, by their index. */
function inProjections(weights: Weights, blocks: number): (x: tf.Tensor, index: number) => tf.Tensor {
  const [matrix, bias] = [weights.get('in_proj_weight'), weights.get('in_proj_bias')];
  // One cut for all blocks: its gradient is put together once, where those of slices are padded and added up.
  const matrices = tf.split(matrix, blocks, 1);
  const biases = tf.split(bias, blocks, 0);
  return (x, index) => project(x, matrices[index] as tf.Tensor, biases[index]);
}
