/** Which boxes and masks become cells. */
export interface Thresholds {
  /** Detector score that a box must exceed, before the scores of the image move it. */
  readonly box: number;
  /** `threshold = boxShare * box + meanShare * T`, T the mean of the two centres of the image's scores. */
  readonly boxShare: number;
  readonly meanShare: number;
  /** Smallest predicted IoU of a mask that is kept. */
  readonly iou: number;
  /** Probability that a pixel must exceed to belong to the cell. */
  readonly mask: number;
  /** Boxes with a larger IoU are one cell; the engine's own choice when absent. */
  readonly sameCell?: number | undefined;
  /** Median side in px of the objects in training views, where they were brought to one; images are brought to it too. */
  readonly objectSide?: number | undefined;
}

/** The three sets that were published with CellSAM: in its Methods, in its library, in its evaluation runs. */
export const thresholdSets = {
  paper: { box: 0.4, boxShare: 2 / 3, meanShare: 1 / 3, iou: 0.5, mask: 0.5 },
  library: { box: 0.4, boxShare: 0.66, meanShare: 0.33, iou: 0.5, mask: 0.4 },
  evaluation: { box: 0.4, boxShare: 0.66, meanShare: 0.33, iou: 0.4, mask: 0.5 },
} as const satisfies Record<string, Thresholds>;

export type ThresholdSet = keyof typeof thresholdSets;

/** The box threshold of one image from all its scores; the plain one where there are fewer than two. */
export function boxThreshold(scores: ArrayLike<number>, thresholds: Thresholds): number {
  if (scores.length < 2 || thresholds.meanShare === 0) return thresholds.box;
  const [low, high] = twoMeans(scores);
  return thresholds.boxShare * thresholds.box + (thresholds.meanShare * (low + high)) / 2;
}

/**
 * The exact best split of numbers into two groups (least sum of squared distances to the group's mean): both means,
 * rising. Equal numbers give the same mean twice. Needs at least one number.
 */
export function twoMeans(values: ArrayLike<number>): readonly [low: number, high: number] {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const first = sorted[0] as number;
  if (first === sorted[n - 1]) return [first, first];
  const total = sorted.reduce((sum, v) => sum + v, 0);
  let left = 0;
  let best = Number.NEGATIVE_INFINITY;
  let centres: readonly [number, number] = [first, first];
  for (let k = 1; k < n; k++) {
    left += sorted[k - 1] as number;
    const right = total - left;
    const gain = (left * left) / k + (right * right) / (n - k); // least squares = most of this
    if (gain > best) {
      best = gain;
      centres = [left / k, right / (n - k)];
    }
  }
  return centres;
}
