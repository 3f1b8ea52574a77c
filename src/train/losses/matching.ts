import { assign } from '../../core/assignment.js';
import { type BoxNumbers, numbersAt } from '../../image/boxes.js';

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
  const ofClass = classCosts(logits);
  const cost = new Float64Array(queries * n);
  for (let q = 0; q < queries; q++) {
    const own = cost.subarray(q * n, (q + 1) * n);
    const named = ofClass.subarray(q * classes, (q + 1) * classes);
    fillCosts(own, named, numbersAt(boxes, q), targets, costs);
  }
  return cost;
}

/** Query and object of every pair. */
export interface Match {
  readonly query: Int32Array;
  readonly target: Int32Array;
}

/** Pairs of least total cost, sorted by query. */
export function match(
  logits: Float32Array,
  boxes: Float32Array,
  classes: number,
  targets: Targets,
  costs = MATCHING_COSTS,
): Match {
  const n = targets.labels.length;
  if (n === 0) return { query: new Int32Array(0), target: new Int32Array(0) };
  const { row, column } = assign(matchingCost(logits, boxes, classes, targets, costs), boxes.length / 4, n);
  return { query: row, target: column };
}

/** Focal cost of every class of every query; there are far fewer of them than pairs. */
const classCosts = (logits: Float32Array): Float64Array =>
  Float64Array.from(logits, (logit) => {
    const p = 1 / (1 + Math.exp(-logit));
    return 0.25 * (1 - p) ** 2 * -Math.log(p + 1e-8) - 0.75 * p ** 2 * -Math.log(1 - p + 1e-8);
  });

/** One query's costs for every object: millions of pairs in a step, hence without calls, arrays and branches. */
function fillCosts(
  cost: Float64Array,
  ofClass: Float64Array,
  [x, y, width, height]: BoxNumbers,
  { boxes, labels }: Targets,
  { costClass, costBbox, costGiou }: MatchingCosts,
): void {
  for (let j = 0; j < cost.length; j++) {
    const dx = Math.abs(x - (boxes[4 * j] as number));
    const dy = Math.abs(y - (boxes[4 * j + 1] as number));
    const w = boxes[4 * j + 2] as number;
    const h = boxes[4 * j + 3] as number;
    const [dw, dh] = [Math.abs(width - w), Math.abs(height - h)];
    // Of two intervals: what they share, or minus what lies between them, is all but the further half of their ends.
    const across = (width + w) / 2 - Math.max(dx, dw / 2);
    const down = (height + h) / 2 - Math.max(dy, dh / 2);
    const overlap = across > 0 && down > 0 ? across * down : 0;
    const union = width * height + w * h - overlap;
    const hull = (width + w - across) * (height + h - down);
    const giou = overlap / union - (hull - union) / hull;
    const named = ofClass[labels[j] as number] as number;
    cost[j] = costClass * named + costBbox * (dx + dy + dw + dh) - costGiou * giou;
  }
}
