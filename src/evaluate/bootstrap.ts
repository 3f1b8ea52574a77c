import type { Random } from '../core/random.js';

export interface Interval {
  readonly mean: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 1000;

const meanOf = (list: readonly number[]): number =>
  list.reduce((a, b) => a + b, 0) / Math.max(1, list.length);

/** Mean over images and its 95 % interval: percentiles of 1,000 resamples of the images with replacement. */
export function meanWithInterval(values: readonly number[], random: Random): Interval {
  const resampled = () => meanOf(values.map(() => values[random.integer(values.length)] as number));
  const means = Array.from({ length: RESAMPLES }, resampled).sort((a, b) => a - b);
  return { mean: meanOf(values), low: means[25] as number, high: means[974] as number };
}

/** More sign patterns than this are sampled instead of listed. */
const LISTED = 2 ** 14;

/**
 * Two-sided permutation test of paired differences: how often random signs give a mean at least as far from 0. All
 * signs are tried up to 14 pairs, else 16,384 random ones (the pattern found counts, so that p is never 0).
 */
export function signFlipTest(differences: readonly number[], random: Random): number {
  const found = Math.abs(meanOf(differences)) - 1e-12;
  const n = differences.length;
  const isListed = 2 ** n <= LISTED;
  const rounds = isListed ? 2 ** n : LISTED;
  let asFar = isListed ? 0 : 1;
  for (let round = 0; round < rounds; round++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const isFlipped = isListed ? (round >> i) % 2 === 1 : random.chance(0.5);
      sum += isFlipped ? -(differences[i] as number) : (differences[i] as number);
    }
    if (Math.abs(sum / Math.max(1, n)) >= found) asFar++;
  }
  return asFar / (isListed ? rounds : rounds + 1);
}
