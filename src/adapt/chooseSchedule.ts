import type { Round } from './rounds.js';
import { type AdaptScore, meanOf } from './score.js';

/** The share of the schedule whose boxes are best over all images of the rounds, each at its best threshold; of those that all rounds tried. */
export function bestShare(rounds: readonly Pick<Round, 'looks'>[]): number {
  let best = { share: 1, f1: 0 };
  for (const { share, box } of rounds[0]?.looks ?? []) {
    const f1s = rounds.map(({ looks }) => looks.find((l) => l.share === share && l.box === box)?.f1s);
    if (f1s.some((some) => some === undefined)) continue;
    const f1 = meanOf(f1s.flatMap((some) => some ?? []));
    if (f1 > best.f1) best = { share, f1 };
  }
  return best.share;
}

/** One box threshold for the images of all rounds: the best mean F1 of masks; of equal ones the first. */
export function bestThreshold(scores: readonly (readonly AdaptScore[])[], boxes: readonly number[]) {
  const means = scores.map((own) => meanOf(own.map(({ f1 }) => f1)));
  const at = means.indexOf(Math.max(...means));
  return { box: boxes[at] as number, scores: scores[at] as readonly AdaptScore[] };
}
