import type { Random } from '../core/random.js';
import { type AugmentOptions, changeValues } from '../data/transforms/augment.js';
import type { Placed } from '../data/transforms/crop.js';
import { TURNS } from '../data/transforms/rightAngles.js';
import { zoomFor } from '../data/transforms/scale.js';
import { IDENTITY, joined, type Matrix, MIRROR } from '../data/transforms/transform.js';
import type { View } from '../data/transforms/view.js';
import { warp } from '../data/transforms/warp.js';
import { type AnnotatedField, hashOf } from './annotated.js';

/** A view that training comes back to again and again, so that its features are worth keeping. */
export interface FixedView extends View {
  /** The field's. */
  readonly id: string;
  /** Of its pixels. */
  readonly key: string;
}

export interface ViewPlan {
  /** Of a view, in px. */
  readonly side: number;
  /** Magnifications, besides the one that brings small objects to the model's usual size. */
  readonly scales: readonly number[];
  /** Median object side that the model learnt at, in px; fields keep their magnification when absent. */
  readonly objectSide?: number | undefined;
  /** At most so many views of all fields together. */
  readonly limit: number;
  /** How values are changed, each view's once; they stay as they are when absent. */
  readonly augment?: AugmentOptions | undefined;
  /** Views in the position of the field only, to score a detector on. */
  readonly isUpright?: boolean;
}

/**
 * Views of annotated fields: tiles that cover each field at several magnifications, in the eight positions that right angles
 * and a mirror give. Where that is more than the limit, a fair share of each field's, drawn by the random source.
 */
export function fixedViews(fields: readonly AnnotatedField[], plan: ViewPlan, random: Random): FixedView[] {
  const share = Math.max(1, Math.floor(plan.limit / Math.max(1, fields.length)));
  return fields.flatMap((field) => {
    const places = placesOf(field, plan);
    const own = random.split(`views/${field.id}`);
    return [...own.permutation(places.length)].slice(0, share).map((i) => {
      const map = places[i] as Placed;
      const moved = warp(field, map, plan.side);
      const { augment } = plan;
      const patch = augment === undefined ? moved : changeValues(moved, augment, own.split(`values/${i}`));
      return { ...patch, size: map.size, id: field.id, key: hashOf(patch) };
    });
  });
}

/** The eight positions of a square. */
const POSITIONS: readonly Matrix[] = [IDENTITY, MIRROR].flatMap((m) => TURNS.map((turn) => joined(m, turn)));

function placesOf(field: AnnotatedField, plan: ViewPlan): Placed[] {
  const { side } = plan;
  const zoom = zoomFor(field.objectSide, plan.objectSide);
  return plan.scales.flatMap((magnification) => {
    const scale = zoom * magnification;
    const window = side / scale;
    return starts(field.height, window).flatMap((top) =>
      starts(field.width, window).flatMap((left) =>
        (plan.isUpright === true ? [IDENTITY] : POSITIONS).map((m) =>
          placeAt(m, scale, left, top, window, side),
        ),
      ),
    );
  });
}

/** The map that brings the middle of a window of the field to the middle of the view. */
function placeAt(m: Matrix, scale: number, left: number, top: number, window: number, side: number): Placed {
  const [x, y] = [left + window / 2, top + window / 2];
  const [a, b, c, d] = [m.a * scale, m.b * scale, m.c * scale, m.d * scale];
  return { a, b, c, d, tx: side / 2 - (a * x + b * y), ty: side / 2 - (c * x + d * y), size: [side, side] };
}

/** Where tiles begin that cover `size` px and share a quarter of their side or more; one in the middle of a small field. */
function starts(size: number, window: number): number[] {
  if (size <= window) return [(size - window) / 2];
  const steps = Math.ceil((size - window) / (0.75 * window));
  return Array.from({ length: steps + 1 }, (_, i) => (i * (size - window)) / steps);
}
