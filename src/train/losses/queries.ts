import type { QueryOutput } from '../../models/cellfinder/cellfinder.js';
import { tf } from '../../tf/index.js';
import { giou, toCorners } from './boxes.js';
import { focal } from './focal.js';
import { MATCHING_COSTS, type MatchingCosts, match, type Targets } from './matching.js';

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
    const named: Record<string, tf.Scalar> = {};
    let total: tf.Tensor = tf.scalar(0);
    for (let layer = 0; layer < layers; layer++) {
      const wanted = new Float32Array(batch * queries * classes);
      const rows: number[] = [];
      const boxes: number[] = [];
      for (let b = 0; b < batch; b++) {
        const { query, target } = matches[layer * batch + b] as { query: Int32Array; target: Int32Array };
        for (let i = 0; i < query.length; i++) {
          const t = target[i] as number;
          const row = b * queries + (query[i] as number);
          wanted[row * classes + ((targets[b] as Targets).labels[t] as number)] = 1;
          rows.push(layer * batch * queries + row);
          boxes.push(...(targets[b] as Targets).boxes.subarray(4 * t, 4 * t + 4));
        }
      }
      const logits = output.logits
        .slice([layer, 0, 0, 0], [1, -1, -1, -1])
        .reshape([batch, queries, classes]);
      const ce = focal(
        logits,
        tf.tensor(wanted, [batch, queries, classes]),
        options.focalAlpha,
        options.focalGamma,
      )
        .sum()
        .div(count);
      const pairs = boxLosses(output.boxes, rows, boxes);
      const parts = { ce, bbox: pairs.l1.div(count), giou: pairs.giou.div(count) };
      const suffix = layer === layers - 1 ? '' : `_${layer}`;
      for (const [name, value] of Object.entries(parts)) named[`loss_${name}${suffix}`] = value.asScalar();
      total = total
        .add(parts.ce.mul(options.weightCe))
        .add(parts.bbox.mul(options.weightBbox))
        .add(parts.giou.mul(options.weightGiou));
    }
    return { ...named, total: total.asScalar() };
  });
}

function boxLosses(
  predicted: tf.Tensor4D,
  rows: readonly number[],
  boxes: readonly number[],
): { l1: tf.Tensor; giou: tf.Tensor } {
  if (rows.length === 0) {
    // Zero, but still depending on the boxes: the optimiser then sees gradients of zero, as PyTorch's does.
    const nothing = predicted.mul(0).sum();
    return { l1: nothing, giou: nothing };
  }
  const own = predicted.reshape([-1, 4]).gather(tf.tensor1d(rows as number[], 'int32')) as tf.Tensor2D;
  const truth = tf.tensor2d(boxes as number[], [rows.length, 4]);
  return {
    l1: own.sub(truth).abs().sum(),
    giou: tf.sub(1, giou(toCorners(own), toCorners(truth)).giou).sum(),
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
