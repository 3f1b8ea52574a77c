import type { ScoredImage } from './cases.js';

/** Found objects whose scores are alike, and how many of them are true. */
export interface ScoreBin {
  readonly low: number;
  readonly high: number;
  readonly objects: number;
  readonly meanScore: number;
  /** Share that matches a true object with an IoU of at least 0.5. */
  readonly shareTrue: number;
}

export interface Reliability {
  readonly bins: readonly ScoreBin[];
  /** Expected calibration error: mean distance of score and share, weighted by objects. */
  readonly error: number;
}

const BINS = 10;

/** How far scores can be read as probabilities; undefined where no scores are known. */
export function reliability(images: readonly ScoredImage[]): Reliability | undefined {
  const sums = Array.from({ length: BINS }, () => ({ n: 0, score: 0, right: 0 }));
  for (const { objects } of images) {
    for (const [i, score] of (objects.scores ?? []).entries()) {
      const bin = sums[Math.min(BINS - 1, Math.floor(score * BINS))] as (typeof sums)[number];
      bin.n++;
      bin.score += score;
      if ((objects.foundIou[i] as number) > 0) bin.right++;
    }
  }
  const total = sums.reduce((sum, { n }) => sum + n, 0);
  if (total === 0) return undefined;
  const bins = sums.flatMap(({ n, score, right }, i) =>
    n === 0
      ? []
      : [{ low: i / BINS, high: (i + 1) / BINS, objects: n, meanScore: score / n, shareTrue: right / n }],
  );
  const error = bins.reduce((sum, b) => sum + (b.objects / total) * Math.abs(b.meanScore - b.shareTrue), 0);
  return { bins, error };
}
