import type { NamedArray } from '../core/arrays.js';
import { ConfigError } from '../core/errors.js';
import { CellSam } from '../models/cellsam.js';

const POSITIONS = 'cellfinder.decode_head.transformer.position.weight';

/** Queries for each object of the most crowded image: one that fits, and room for those that do not. */
const PER_OBJECT = 3;
const LEAST = 100;

/** How many anchor points images with this many objects need. */
export function queriesFor(mostObjects: number): number {
  return Math.max(LEAST, PER_OBJECT * mostObjects);
}

/**
 * The same model with fewer anchor points, where the detector has learned ones: every step and every image costs less. Points
 * are kept that lie farthest from those kept before, so that the image stays covered evenly; the file's configuration records
 * their number.
 *
 * @param points how many to keep
 * @returns undefined where there is nothing to trim; otherwise a model of its own
 * @throws ConfigError when `points` is not positive
 */
export function trimQueries(model: CellSam, points: number): CellSam | undefined {
  if (points < 1) throw new ConfigError('at least one query is needed', { where: 'queries' });
  const { cellfinder } = model.config;
  if (cellfinder.proposals !== 'learned' || cellfinder.spatialPrior !== 'learned') return undefined;
  if (cellfinder.numQueryPosition <= points) return undefined;
  const arrays = model.toArrays();
  const positions = arrays.get(POSITIONS) as NamedArray;
  const kept = spread(Float32Array.from(positions.data, Number), points);
  const data = Float32Array.from(
    kept.flatMap((i) => [positions.data[2 * i], positions.data[2 * i + 1]]),
    Number,
  );
  arrays.set(POSITIONS, { shape: [points, 2], dtype: 'float32', data });
  return CellSam.fromArrays(
    { ...model.config, cellfinder: { ...cellfinder, numQueryPosition: points } },
    arrays,
  );
}

/** Farthest-point sampling of `[N, 2]` points, from the one nearest to the middle; indices rising. */
export function spread(xy: Float32Array, count: number): number[] {
  const total = xy.length / 2;
  const squared = (i: number, x: number, y: number) =>
    ((xy[2 * i] as number) - x) ** 2 + ((xy[2 * i + 1] as number) - y) ** 2;
  let next = 0;
  for (let i = 1; i < total; i++) if (squared(i, 0.5, 0.5) < squared(next, 0.5, 0.5)) next = i;
  const away = new Float64Array(total).fill(Number.POSITIVE_INFINITY);
  const kept: number[] = [];
  while (kept.length < Math.min(count, total)) {
    kept.push(next);
    const [x, y] = [xy[2 * next] as number, xy[2 * next + 1] as number];
    away[next] = -1;
    let farthest = next;
    for (let i = 0; i < total; i++) {
      if ((away[i] as number) < 0) continue;
      away[i] = Math.min(away[i] as number, squared(i, x, y));
      if ((away[i] as number) > (away[farthest] as number)) farthest = i;
    }
    next = farthest;
  }
  return kept.sort((a, b) => a - b);
}
