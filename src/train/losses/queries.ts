import type { QueryOutput } from '../../models/cellfinder/cellfinder.js';
import { tf } from '../../tf/index.js';
import { giou, toCorners } from './boxes.js';
import { focal } from './focal.js';
import { MATCHING_COSTS, type Match, type MatchingCosts, match, type Targets } from './matching.js';

export interface QueryLossOptions extends MatchingCosts {
  readonly weightCe: number;
  readonly weightBbox: number;
  readonly weightGiou: number;
  readonly focalAlpha: number;
  readonly focalGamma: number;
}

/** Anchor DETR's weights (Wang et al. 2022); the paper of CellSAM names no others. */
export const QUERY_LOSS: QueryLossOptions = {
  ...MATCHING_COSTS,
  weightCe: 2,
  weightBbox: 5,
  weightGiou: 2,
  focalAlpha: 0.25,
  focalGamma: 2,
};

/** Losses by name, scalars: `loss_ce`, `loss_bbox`, `loss_giou` of the last layer, with `_<i>` those of layer i, and `total`. */
export type NamedLosses = Readonly<Record<string, tf.Scalar>> & { readonly total: tf.Scalar };

/**
 * Stage 1's losses: every decoder layer is matched anew and pays focal, L1 and GIoU, divided by the number of objects in
 * the batch (at least 1).
 */
export function queryLosses(
  output: QueryOutput,
  targets: readonly Targets[],
  options: QueryLossOptions = QUERY_LOSS,
): NamedLosses {
  const [layers, batch, queries, classes] = output.logits.shape;
  const matches = matchLayers(output, targets, options);
  const count = Math.max(
    1,
    targets.reduce((sum, t) => sum + t.labels.length, 0),
  );
  return tf.tidy(() => {
    const { wanted, rows, boxes } = wantedFrom(matches, targets, output.logits.shape);
    const ce = focal(
      output.logits,
      tf.tensor(wanted, [layers, batch, queries, classes]),
      options.focalAlpha,
      options.focalGamma,
    ).sum([1, 2, 3]);
    const pairs = boxLosses(output.boxes, rows, boxes);
    const parts = { ce: ce.div(count), bbox: pairs.l1.div(count), giou: pairs.giou.div(count) };
    const named = Object.entries(parts).flatMap(([name, ofLayers]) =>
      tf
        .unstack(ofLayers)
        .map((value, layer) => [`loss_${name}${layer === layers - 1 ? '' : `_${layer}`}`, value.asScalar()]),
    );
    const total = tf.addN([
      parts.ce.mul(options.weightCe),
      parts.bbox.mul(options.weightBbox),
      parts.giou.mul(options.weightGiou),
    ]);
    return { ...Object.fromEntries(named), total: total.sum().asScalar() };
  });
}

/** What the queries of all layers should say: classes `[L, B, Q, K]`, and for every pair its query's row and its box. */
function wantedFrom(
  matches: readonly Match[],
  targets: readonly Targets[],
  [layers, batch, queries, classes]: readonly [number, number, number, number],
) {
  const wanted = new Float32Array(layers * batch * queries * classes);
  const rows: number[] = [];
  const boxes: number[] = [];
  for (const [i, { query, target }] of matches.entries()) {
    const own = targets[i % batch] as Targets;
    for (const [k, t] of target.entries()) {
      const row = i * queries + (query[k] as number);
      wanted[row * classes + (own.labels[t] as number)] = 1;
      rows.push(row);
      boxes.push(...own.boxes.subarray(4 * t, 4 * t + 4));
    }
  }
  return { wanted, rows, boxes };
}

/** Sums over the pairs of each layer, `[L]`; all layers have equally many. */
function boxLosses(
  predicted: tf.Tensor4D,
  rows: readonly number[],
  boxes: readonly number[],
): { l1: tf.Tensor; giou: tf.Tensor } {
  const layers = predicted.shape[0];
  if (rows.length === 0) {
    // Zero, but still depending on the boxes: the optimiser then sees gradients of zero, as PyTorch's does.
    const nothing = predicted.mul(0).sum([1, 2, 3]);
    return { l1: nothing, giou: nothing };
  }
  const own = predicted.reshape([-1, 4]).gather(tf.tensor1d(rows as number[], 'int32')) as tf.Tensor2D;
  const truth = tf.tensor2d(boxes as number[], [rows.length, 4]);
  const overlap = giou(toCorners(own), toCorners(truth)).giou;
  return {
    l1: own.sub(truth).abs().reshape([layers, -1]).sum(1),
    giou: tf.sub(1, overlap).reshape([layers, -1]).sum(1),
  };
}

/** Matching of layer l and image b at index `l * B + b`; no gradient. */
export function matchLayers(
  output: QueryOutput,
  targets: readonly Targets[],
  costs: MatchingCosts = MATCHING_COSTS,
) {
  const [layers, batch, queries, classes] = output.logits.shape;
  const logits = output.logits.dataSync() as Float32Array;
  const boxes = output.boxes.dataSync() as Float32Array;
  return Array.from({ length: layers * batch }, (_, i) =>
    match(
      logits.subarray(i * queries * classes, (i + 1) * queries * classes),
      boxes.subarray(i * queries * 4, (i + 1) * queries * 4),
      classes,
      targets[i % batch] as Targets,
      costs,
    ),
  );
}
