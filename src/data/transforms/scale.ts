import type { Random } from '../../core/random.js';
import type { Matrix } from './transform.js';

/** Fields are magnified or reduced by this at most: more magnification only blurs. */
const MOST_ZOOM = 3;
/** Share of views that keep their field's magnification, so that a model can gauge sizes before it knows them. */
const UNGAUGED = 0.2;

/** By how much a field is magnified before the random scale. */
export function zoomFor(side: number, wanted: number | undefined): number {
  return wanted === undefined || side <= 0 ? 1 : Math.min(MOST_ZOOM, Math.max(1 / MOST_ZOOM, wanted / side));
}

/**
 * A random magnification, evenly in its logarithm; fields are first brought to one size of object.
 *
 * @param range smallest and largest magnification
 * @param objectSide of the field, and the one that is wanted
 */
export function drawScale(
  range: readonly [number, number],
  objectSide: number,
  wanted: number | undefined,
  random: Random,
): Matrix {
  const zoom = random.chance(UNGAUGED) ? 1 : zoomFor(objectSide, wanted);
  const scale = zoom * Math.exp(random.uniform(Math.log(range[0]), Math.log(range[1])));
  return { a: scale, b: 0, c: 0, d: scale };
}
