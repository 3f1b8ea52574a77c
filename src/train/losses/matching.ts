import { assign } from '../../core/assignment.js';

/** True objects of one image: `boxes [n, 4]` centre form in 0..1, `labels [n]`. */
export interface Targets {
  readonly boxes: Float32Array;
  readonly labels: Int32Array;
}

export interface MatchingCosts {
  readonly costClass: number;
  readonly costBbox: number;
  readonly costGiou: number;
}

/** Weights of the matching cost (Wang et al. 2022; CellSAM keeps them). */
export const MATCHING_COSTS: MatchingCosts = { costClass: 2, costBbox: 5, costGiou: 2 };

/**
 * Cost of every query for every object, `[Q, n]`: L1 of the centre forms, the focal class cost and minus the GIoU.
 *
 * @param logits `[Q, K]` @param boxes `[Q, 4]` centre form
 */
export function matchingCost(
  logits: Float32Array,
  boxes: Float32Array,
  classes: number,
  targets: Targets,
  costs = MATCHING_COSTS,
): Float64Array {
  const queries = boxes.length / 4;
  const n = targets.labels.length;
  const cost = new Float64Array(queries * n);
  for (let q = 0; q < queries; q++) {
    for (let j = 0; j < n; j++) {
      const p = 1 / (1 + Math.exp(-(logits[q * classes + (targets.labels[j] as number)] as number)));
      const positive = 0.25 * (1 - p) ** 2 * -Math.log(p + 1e-8);
      const negative = 0.75 * p ** 2 * -Math.log(1 - p + 1e-8);
      const { l1, giou } = compare(boxes, 4 * q, targets.boxes, 4 * j);
      cost[q * n + j] = costs.costBbox * l1 + costs.costClass * (positive - negative) - costs.costGiou * giou;
    }
  }
  return cost;
}

/** Pairs of least total cost, sorted by query. */
export function match(
  logits: Float32Array,
  boxes: Float32Array,
  classes: number,
  targets: Targets,
  costs = MATCHING_COSTS,
) {
  const n = targets.labels.length;
  if (n === 0) return { query: new Int32Array(0), target: new Int32Array(0) };
  const { row, column } = assign(matchingCost(logits, boxes, classes, targets, costs), boxes.length / 4, n);
  return { query: row, target: column };
}

function compare(a: Float32Array, i: number, b: Float32Array, j: number): { l1: number; giou: number } {
  const [ax, ay, aw, ah] = [a[i] as number, a[i + 1] as number, a[i + 2] as number, a[i + 3] as number];
  const [bx, by, bw, bh] = [b[j] as number, b[j + 1] as number, b[j + 2] as number, b[j + 3] as number];
  const l1 = Math.abs(ax - bx) + Math.abs(ay - by) + Math.abs(aw - bw) + Math.abs(ah - bh);
  const right = [Math.min(ax + aw / 2, bx + bw / 2), Math.max(ax + aw / 2, bx + bw / 2)] as const;
  const left = [Math.max(ax - aw / 2, bx - bw / 2), Math.min(ax - aw / 2, bx - bw / 2)] as const;
  const bottom = [Math.min(ay + ah / 2, by + bh / 2), Math.max(ay + ah / 2, by + bh / 2)] as const;
  const top = [Math.max(ay - ah / 2, by - bh / 2), Math.min(ay - ah / 2, by - bh / 2)] as const;
  const overlap = Math.max(0, right[0] - left[0]) * Math.max(0, bottom[0] - top[0]);
  const union = aw * ah + bw * bh - overlap;
  const hull = (right[1] - left[1]) * (bottom[1] - top[1]);
  return { l1, giou: overlap / union - (hull - union) / hull };
}
