import { tf } from '../../tf/index.js';
import { linear } from '../linear.js';
import type { CellFinderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { sine1d, sine2d, tokenPositions } from './positions.js';

/** Of positions only what the kind of attention reads, see `axesOf`. */
export interface Positions {
  /** `[B, 1, w, E]` and `[B, h, 1, E]`. */
  readonly row: tf.Tensor;
  readonly column: tf.Tensor;
  /** `[B, h * w, E]`, for plain attention. */
  readonly both: tf.Tensor;
}

export type Axis = keyof Positions;

/** What a kind of attention reads of the positions; what it does not read must get no gradient, not even one of zero. */
export const axesOf = (config: CellFinderConfig): Axis[] =>
  config.attentionType === 'RCDA' ? ['row', 'column'] : ['both'];

/** Positions as a list, the form in which recomputed parts are given their inputs, and back. */
export const listed = (positions: Positions, axes: readonly Axis[]): tf.Tensor[] =>
  axes.map((axis) => positions[axis]);

export const named = (tensors: readonly tf.Tensor[], axes: readonly Axis[]): Positions =>
  Object.fromEntries(axes.map((axis, i) => [axis, tensors[i]])) as unknown as Positions;

/** Positions of tokens, embedded and adapted by a small network, for the kind of attention. @param padding `[B, h, w]`, true where padded */
export function embedPositions(padding: tf.Tensor3D, weights: Weights, config: CellFinderConfig): Positions {
  const dim = config.hiddenDim;
  const { y, x } = tokenPositions(padding);
  const [batch, height, width] = padding.shape;
  const adapt = (p: tf.Tensor) => adaptPositions(sine1d(p, dim), weights, 'adapt_pos1d');
  const ofGrid = () => {
    const grid = tf.stack([x.expandDims(1).tile([1, height, 1]), y.expandDims(2).tile([1, 1, width])], -1); // [B, h, w, 2]
    return adaptPositions(sine2d(grid, dim), weights, 'adapt_pos2d').reshape([batch, height * width, dim]);
  };
  return config.attentionType === 'RCDA'
    ? named([adapt(x).expandDims(1), adapt(y).expandDims(2)], ['row', 'column'])
    : named([ofGrid()], ['both']);
}

/** A position's embedding `[..., E]` through the network of its kind. */
export const adaptPositions = (p: tf.Tensor, weights: Weights, name: string): tf.Tensor =>
  linear(linear(p, weights, `${name}.0`).relu(), weights, `${name}.2`);
