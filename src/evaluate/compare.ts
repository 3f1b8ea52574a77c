import { DataError, type Problem } from '../core/errors.js';
import { Random } from '../core/random.js';
import { type Interval, meanWithInterval, signFlipTest } from './bootstrap.js';
import { METRICS } from './metrics/table.js';
import type { ImageRow } from './summary.js';

/** One metric of two evaluations of the same images. */
export interface Difference {
  readonly metric: string;
  readonly title: string;
  /** Means over the images that define it in both. */
  readonly a: number;
  readonly b: number;
  /** b minus a, 95 % interval from 1,000 resamples of the pairs. */
  readonly difference: Interval;
  /** Two-sided permutation test with random signs of the differences. */
  readonly p: number;
  /** Pairs. */
  readonly images: number;
  readonly better: 'a' | 'b' | 'neither';
}

/**
 * Compares image by image. Images are known by data set and id; by their id alone where both have one data set, whatever
 * it is called.
 *
 * @throws DataError naming every image that only one of the two has, or that they scored against different truths
 */
export function compareRows(a: readonly ImageRow[], b: readonly ImageRow[]): Difference[] {
  const areSingle = [a, b].every((rows) => new Set(rows.map(({ dataset }) => dataset)).size === 1);
  const keyOf = (row: ImageRow) => (areSingle ? row.id : `${row.dataset}/${row.id}`);
  const others = new Map(b.map((row) => [keyOf(row), row]));
  const known = new Set(a.map(keyOf));
  const problems: Problem[] = [
    ...a
      .filter((row) => !others.has(keyOf(row)))
      .map((row) => ({ where: keyOf(row), message: 'is only in the first' })),
    ...b
      .filter((row) => !known.has(keyOf(row)))
      .map((row) => ({ where: keyOf(row), message: 'is only in the second' })),
    ...a
      .filter((row) => (others.get(keyOf(row))?.truth ?? row.truth) !== row.truth)
      .map((row) => ({ where: keyOf(row), message: 'has other true masks in the second' })),
  ];
  if (problems.length > 0)
    throw new DataError('the two evaluations are not of the same images', {
      problems,
      fix: 'evaluate both on the same images and masks',
    });
  return METRICS.map(({ key, title, of, better }) => {
    const pairs = a.flatMap((row) => {
      const [x, y] = [of(row), of(others.get(keyOf(row)) as ImageRow)];
      return x === null || y === null ? [] : [[x, y] as const];
    });
    const random = new Random(`compare/${key}`);
    const differences = pairs.map(([x, y]) => y - x);
    const difference = meanWithInterval(differences, random.split('bootstrap'));
    const mean = (side: 0 | 1) =>
      pairs.reduce((sum, pair) => sum + pair[side], 0) / Math.max(1, pairs.length);
    const p = signFlipTest(differences, random.split('signs'));
    const gain = better === 'lower' ? -difference.mean : difference.mean;
    const isSure = better !== 'none' && p < 0.05;
    const winner = !isSure ? 'neither' : gain > 0 ? 'b' : 'a';
    return {
      metric: key,
      title,
      a: mean(0),
      b: mean(1),
      difference,
      p,
      images: pairs.length,
      better: winner,
    };
  });
}
