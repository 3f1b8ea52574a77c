import { type OverlapTable, overlapIou, overlapTable } from '../image/overlap.js';
import type { LabelImage } from '../image/types.js';
import { matchAll, matchAtLeast } from './match.js';

/** IoU thresholds of the report: 0.5, 0.55 .. 0.95. */
export const THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

/** Scores of one image, or of summed counts, at one IoU threshold. Field names are those of `--json`. */
export interface ThresholdScores {
  readonly threshold: number;
  /** Pairs with an IoU of at least the threshold, one to one. */
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly precision: number;
  readonly recall: number;
  /** 2 tp / (2 tp + fp + fn). */
  readonly f1: number;
  /** tp / (tp + fp + fn): the cell field's "average precision", which is not COCO's. */
  readonly ap: number;
  /** Sum of the pairs' IoU / (tp + fp/2 + fn/2) (Kirillov et al. 2019). */
  readonly panoptic_quality: number;
  /** `null` when nothing matched. */
  readonly mean_matched_iou: number | null;
}

export interface ImageScores {
  readonly n_true: number;
  readonly n_pred: number;
  /** `n_pred - n_true`. */
  readonly count_error: number;
  /** Aggregated Jaccard index of Kumar et al. 2017. */
  readonly aji: number;
  /** The same with one-to-one pairs, as Cellpose computes it. */
  readonly aji_one_to_one: number;
  readonly thresholds: readonly ThresholdScores[];
}

/**
 * All figures of one image. Two empty images agree: every ratio is 1; when one alone is empty, every ratio is 0.
 *
 * @throws RangeError when the sizes differ
 */
export function scoreImage(
  truth: LabelImage,
  predicted: LabelImage,
  thresholds: readonly number[] = THRESHOLDS,
): ImageScores {
  const table = overlapTable(truth, predicted);
  const iou = overlapIou(table);
  return {
    n_true: truth.count,
    n_pred: predicted.count,
    count_error: predicted.count - truth.count,
    aji: aggregatedJaccard(table, iou),
    aji_one_to_one: oneToOneJaccard(table),
    thresholds: thresholds.map((threshold) => {
      const pairs = matchAtLeast(table, threshold);
      const iouSum = pairs.reduce((sum, k) => sum + (iou[k] as number), 0);
      return ratios(threshold, pairs.length, predicted.count, truth.count, iouSum);
    }),
  };
}

/** Scores from counts summed over images, threshold by threshold. */
export function poolScores(images: readonly ImageScores[]): ThresholdScores[] {
  return (images[0]?.thresholds ?? []).map(({ threshold }, i) => {
    const at = images.map((image) => image.thresholds[i] as ThresholdScores);
    const sum = (of: (s: ThresholdScores) => number) => at.reduce((total, s) => total + of(s), 0);
    const tp = sum((s) => s.tp);
    const iouSum = sum((s) => s.tp * (s.mean_matched_iou ?? 0));
    return ratios(threshold, tp, tp + sum((s) => s.fp), tp + sum((s) => s.fn), iouSum);
  });
}

/** Mean over images of F1, threshold by threshold: the paper's headline at 0.5. */
export function meanF1(images: readonly ImageScores[]): number[] {
  return (images[0]?.thresholds ?? []).map(
    (_, i) => images.reduce((sum, image) => sum + (image.thresholds[i]?.f1 ?? 0), 0) / images.length,
  );
}

function ratios(threshold: number, tp: number, found: number, real: number, iouSum: number): ThresholdScores {
  const [fp, fn] = [found - tp, real - tp];
  const over = (value: number, by: number) => (found + real === 0 ? 1 : by === 0 ? 0 : value / by);
  return {
    threshold,
    tp,
    fp,
    fn,
    precision: over(tp, found),
    recall: over(tp, real),
    f1: over(2 * tp, 2 * tp + fp + fn),
    ap: over(tp, tp + fp + fn),
    panoptic_quality: over(iouSum, tp + fp / 2 + fn / 2),
    mean_matched_iou: tp === 0 ? null : iouSum / tp,
  };
}

const total = (areas: Uint32Array): number => areas.reduce((sum, area) => sum + area, 0);

/** Every true object takes its best prediction, several may take the same; predictions that nobody took count as union. */
function aggregatedJaccard(table: OverlapTable, iou: Float64Array): number {
  const best = new Map<number, number>();
  for (let k = 0; k < table.length; k++) {
    const known = best.get(table.first[k] as number);
    if (known === undefined || (iou[k] as number) > (iou[known] as number))
      best.set(table.first[k] as number, k);
  }
  const taken = new Set<number>();
  let shared = 0;
  let union = total(table.firstAreas);
  for (const k of best.values()) {
    const second = table.second[k] as number;
    const area = table.secondAreas[second - 1] as number;
    taken.add(second);
    shared += table.pixels[k] as number;
    union += area - (table.pixels[k] as number);
  }
  for (const [i, area] of table.secondAreas.entries()) if (!taken.has(i + 1)) union += area;
  return union === 0 ? 1 : shared / union;
}

/** Intersections of one-to-one pairs over the pixels that are foreground in either image. */
function oneToOneJaccard(table: OverlapTable): number {
  const union = total(table.firstAreas) + total(table.secondAreas) - total(table.pixels);
  const shared = matchAll(table).reduce((sum, k) => sum + (table.pixels[k] as number), 0);
  return union === 0 ? 1 : shared / union;
}
