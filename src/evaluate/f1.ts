import { overlapIou, overlapTable } from '../image/overlap.js';
import type { LabelImage } from '../image/types.js';

/** Matched, false and missed objects of one image at one IoU threshold. */
export interface Counts {
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
}

/**
 * Objects matched one to one with an IoU of at least 0.5 (CellSAM's headline, after Cellpose). Labels do not overlap, so a
 * pair above 0.5 is unique; pairs at exactly 0.5 are taken greedily by IoU.
 */
export function countsAtHalf(truth: LabelImage, predicted: LabelImage): Counts {
  const table = overlapTable(truth, predicted);
  const iou = overlapIou(table);
  const pairs = [...iou.keys()]
    .filter((k) => (iou[k] as number) >= 0.5)
    .sort((a, b) => (iou[b] as number) - (iou[a] as number));
  const usedTruth = new Set<number>();
  const usedPredicted = new Set<number>();
  for (const k of pairs) {
    const [t, p] = [table.first[k] as number, table.second[k] as number];
    if (usedTruth.has(t) || usedPredicted.has(p)) continue;
    usedTruth.add(t);
    usedPredicted.add(p);
  }
  return { tp: usedTruth.size, fp: predicted.count - usedTruth.size, fn: truth.count - usedTruth.size };
}

/** `2 tp / (2 tp + fp + fn)`; 1 when there is nothing to find and nothing was found. */
export function f1({ tp, fp, fn }: Counts): number {
  return tp + fp + fn === 0 ? 1 : (2 * tp) / (2 * tp + fp + fn);
}

/** Mean over images and its 95 % interval from 1,000 resamples. @param uniform draws from [0, 1) */
export function meanWithInterval(
  values: readonly number[],
  uniform: () => number,
): { mean: number; low: number; high: number } {
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / Math.max(1, list.length);
  const resampled = () => mean(values.map(() => values[Math.floor(uniform() * values.length)] as number));
  const means = Array.from({ length: 1000 }, resampled).sort((a, b) => a - b);
  return { mean: mean(values), low: means[25] as number, high: means[974] as number };
}
