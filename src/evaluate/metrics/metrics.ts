import { type OverlapTable, overlapIou, overlapTable } from '../../image/overlap.js';
import type { LabelImage } from '../../image/types.js';
import { aggregatedJaccard, oneToOneJaccard } from './aggregatedJaccard.js';
import { boundaryF1 } from './boundary.js';
import { matchAtLeast } from './match.js';
import { type ThresholdScores, thresholdScores } from './thresholdScores.js';

/** IoU thresholds of the report: 0.5, 0.55 .. 0.95. */
export const THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) => (50 + 5 * i) / 100);

export interface ImageScores {
  readonly n_true: number;
  readonly n_pred: number;
  /** `n_pred - n_true`. */
  readonly count_error: number;
  /** Aggregated Jaccard index of Kumar et al. 2017. */
  readonly aji: number;
  /** The same with one-to-one pairs, as Cellpose computes it. */
  readonly aji_one_to_one: number;
  /** See `boundaryF1`; outlines at most 2 px apart agree. */
  readonly boundary_f1: number;
  readonly thresholds: readonly ThresholdScores[];
}

/**
 * All figures of one image. Two empty images agree: every ratio is 1; when one alone is empty, every ratio is 0.
 *
 * @param table of these two images, where the caller has it
 * @throws RangeError when the sizes differ
 */
export function scoreImage(
  truth: LabelImage,
  predicted: LabelImage,
  thresholds: readonly number[] = THRESHOLDS,
  table: OverlapTable = overlapTable(truth, predicted),
): ImageScores {
  const iou = overlapIou(table);
  return {
    n_true: truth.count,
    n_pred: predicted.count,
    count_error: predicted.count - truth.count,
    aji: aggregatedJaccard(table, iou),
    aji_one_to_one: oneToOneJaccard(table),
    boundary_f1: boundaryF1(truth, predicted),
    thresholds: thresholds.map((threshold) => {
      const pairs = matchAtLeast(table, threshold);
      const iouSum = pairs.reduce((sum, k) => sum + (iou[k] as number), 0);
      return thresholdScores(threshold, pairs.length, predicted.count, truth.count, iouSum);
    }),
  };
}

/** Scores from counts summed over images, threshold by threshold. */
export function poolScores(images: readonly Pick<ImageScores, 'thresholds'>[]): ThresholdScores[] {
  return (images[0]?.thresholds ?? []).map(({ threshold }, i) => {
    const at = images.map((image) => image.thresholds[i] as ThresholdScores);
    const sum = (of: (s: ThresholdScores) => number) => at.reduce((total, s) => total + of(s), 0);
    const tp = sum((s) => s.tp);
    const iouSum = sum((s) => s.tp * (s.mean_matched_iou ?? 0));
    return thresholdScores(threshold, tp, tp + sum((s) => s.fp), tp + sum((s) => s.fn), iouSum);
  });
}

/** Mean over images of F1, threshold by threshold: the paper's headline at 0.5. */
export function meanF1(images: readonly Pick<ImageScores, 'thresholds'>[]): number[] {
  return (images[0]?.thresholds ?? []).map(
    (_, i) => images.reduce((sum, image) => sum + (image.thresholds[i]?.f1 ?? 0), 0) / images.length,
  );
}

/** Matched, false and missed objects. */
export type Counts = Pick<ThresholdScores, 'tp' | 'fp' | 'fn'>;

/** Counts of one pair of label images at an IoU of 0.5. */
export function countsAtHalf(truth: LabelImage, predicted: LabelImage): Counts {
  const tp = matchAtLeast(overlapTable(truth, predicted), 0.5).length;
  return { tp, fp: predicted.count - tp, fn: truth.count - tp };
}

/** `2 tp / (2 tp + fp + fn)`; 1 when there is nothing to find and nothing was found. */
export function f1({ tp, fp, fn }: Counts): number {
  return thresholdScores(0.5, tp, tp + fp, tp + fn, 0).f1;
}

/** F1 at an IoU of 0.5 of one pair of label images. */
export function f1AtHalf(truth: LabelImage, predicted: LabelImage): number {
  return f1(countsAtHalf(truth, predicted));
}
