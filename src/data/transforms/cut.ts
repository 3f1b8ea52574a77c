import type { LabelImage } from '../../image/types.js';
import type { Placed } from './crop.js';
import { inside, warp, warpBoxes } from './warp.js';

/** Where a view lies in its field and how it is turned. */
export interface Placement {
  /** Of the view's corner in the field, in px of the field; outside it the view is empty. */
  readonly left: number;
  readonly top: number;
  readonly scale: number;
  /** Right angles. */
  readonly turn: number;
  readonly isMirrored: boolean;
}

/** A square piece of a field with one channel. */
export interface CutView {
  /** `[S, S]` grey values. */
  readonly grey: Float32Array;
  readonly labels: LabelImage;
}

/**
 * The piece of a field at a placement, `[side, side]`; labels are numbered anew, slivers dropped.
 *
 * @param tone changes a grey value; called for the pixels inside the field, row by row
 */
export function cutView(
  grey: Float32Array,
  labels: LabelImage,
  placement: Placement,
  side: number,
  tone?: (value: number) => number,
): CutView {
  const { height, width } = labels;
  const map = mapOf(placement, side);
  const { values, labels: moved } = warp({ height, width, channels: 1, values: grey, labels }, map, side);
  if (tone === undefined) return { grey: values, labels: moved };
  const isInside = inside({ height, width }, map);
  for (let v = 0, i = 0; v < side; v++)
    for (let u = 0; u < side; u++, i++) if (isInside(u + 0.5, v + 0.5)) values[i] = tone(values[i] as number);
  return { grey: values, labels: moved };
}

/** Boxes `[N, 4]` of a field as a view at this placement sees them: clipped to it, those mostly outside dropped. */
export function cutBoxes(xyxy: Float32Array, placement: Placement, side: number): Float32Array {
  return warpBoxes({ count: xyxy.length / 4, xyxy }, mapOf(placement, side), side).xyxy;
}

/** The window is moved to the origin and magnified, turned about its middle, then mirrored. */
function mapOf({ left, top, scale: s, turn, isMirrored }: Placement, side: number): Placed {
  const [a, b, c, d] = (
    [
      [s, 0, 0, s],
      [0, -s, s, 0],
      [-s, 0, 0, -s],
      [0, s, -s, 0],
    ] as const
  )[turn] as readonly [number, number, number, number];
  const [atX, atY] = [a < 0 || b < 0 ? side : 0, c < 0 || d < 0 ? side : 0];
  const [tx, ty] = [atX - a * left - b * top, atY - c * left - d * top];
  const size = [side, side] as const;
  return isMirrored ? { a: -a, b: -b, c, d, tx: side - tx, ty, size } : { a, b, c, d, tx, ty, size };
}
