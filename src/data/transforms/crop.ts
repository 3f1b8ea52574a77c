import { z } from 'zod';
import type { Random } from '../../core/random.js';
import type { Boxes } from '../../image/types.js';
import type { Matrix } from './transform.js';

export const cropOptions = z.strictObject({
  tries: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe('windows that are drawn; the one that cuts the smallest share of its objects is taken'),
});

export type CropOptions = z.infer<typeof cropOptions>;

/** A map from a field's pixels to a view's: `x' = a x + b y + tx`, `y' = c x + d y + ty`. */
export interface Placed extends Matrix {
  readonly tx: number;
  readonly ty: number;
  /** `[height, width]` of the content in the view; right of it and below it the view is empty. */
  readonly size: readonly [number, number];
}

interface Extent {
  readonly height: number;
  readonly width: number;
}

/**
 * Chooses the window of a field that a view of `side` shows. A field that is larger than the window is shown at a random
 * place and fills the view; a smaller one stands at the view's top left.
 *
 * @param boxes of the field's objects, for windows that keep them whole
 */
export function drawCrop(
  field: Extent,
  boxes: () => Boxes,
  matrix: Matrix,
  side: number,
  { tries }: CropOptions,
  random: Random,
): Placed {
  let best = placeAtRandom(field, matrix, side, random);
  if (tries === 1) return best;
  const all = boxes();
  let most = shareWhole(all, best, side);
  for (let k = 1; k < tries && most < 1; k++) {
    const placed = placeAtRandom(field, matrix, side, random);
    const share = shareWhole(all, placed, side);
    if (share > most) [best, most] = [placed, share];
  }
  return best;
}

/** The whole field in the view, its longer side filling it: magnifications in `matrix` do not matter. */
export function fitWhole(field: Extent, matrix: Matrix, side: number): Placed {
  const spans = spansOf(field, matrix);
  const factor = side / Math.max(spans.x[1] - spans.x[0], spans.y[1] - spans.y[0]);
  const { a, b, c, d } = matrix;
  return placed(
    field,
    { a: a * factor, b: b * factor, c: c * factor, d: d * factor },
    side,
    (span) => -span[0],
  );
}

function placeAtRandom(field: Extent, matrix: Matrix, side: number, random: Random): Placed {
  const { a, b, c, d } = matrix;
  const [share, other] = [random.uniform(), random.uniform()];
  const det = a * d - b * c;
  // Half the window's extent in the field, along the field's own axes.
  const halfX = ((Math.abs(d) + Math.abs(b)) * side) / 2 / Math.abs(det);
  const halfY = ((Math.abs(c) + Math.abs(a)) * side) / 2 / Math.abs(det);
  if (2 * halfX <= field.width && 2 * halfY <= field.height) {
    const x = halfX + share * (field.width - 2 * halfX);
    const y = halfY + other * (field.height - 2 * halfY);
    const round = isExact(matrix) ? Math.round : (v: number) => v;
    const [tx, ty] = [round(side / 2 - a * x - b * y), round(side / 2 - c * x - d * y)];
    return { ...matrix, tx, ty, size: [side, side] };
  }
  const draws = [share, other];
  return placed(field, matrix, side, ([low, high]) => {
    const draw = draws.shift() as number;
    if (high - low <= side) return -low;
    const shift = side - high + draw * (high - low - side);
    return isExact(matrix) ? Math.round(shift) : shift;
  });
}

type Span = readonly [low: number, high: number];

/** @param shift tells by how much an axis is moved, given what the field spans on it; called for x, then y */
function placed(field: Extent, matrix: Matrix, side: number, shift: (span: Span) => number): Placed {
  const { x, y } = spansOf(field, matrix);
  const [tx, ty] = [shift(x), shift(y)];
  const end = (span: Span, by: number) => Math.max(1, Math.min(side, Math.ceil(span[1] + by - 1e-6)));
  return { ...matrix, tx, ty, size: [end(y, ty), end(x, tx)] };
}

/** What a field spans after the map, before it is moved. */
function spansOf({ height, width }: Extent, { a, b, c, d }: Matrix): { x: Span; y: Span } {
  const span = (p: number, q: number): Span => [
    Math.min(0, p * width) + Math.min(0, q * height),
    Math.max(0, p * width) + Math.max(0, q * height),
  ];
  return { x: span(a, b), y: span(c, d) };
}

/** True for right angles and mirror images without magnification: pixels fall on pixels. */
const isExact = ({ a, b, c, d }: Matrix): boolean =>
  [a, b, c, d].every(Number.isInteger) && Math.abs(a * d - b * c) === 1;

/** Of the objects that a view shows, the share that it shows whole; -1 when it shows none. */
function shareWhole({ count, xyxy }: Boxes, window: Placed, side: number): number {
  let [whole, cut] = [0, 0];
  for (let i = 0; i < count; i++) {
    const [x0, y0, x1, y1] = movedBox(xyxy, i, window);
    if (x1 <= 0 || y1 <= 0 || x0 >= side || y0 >= side) continue;
    if (x0 >= 0 && y0 >= 0 && x1 <= side && y1 <= side) whole++;
    else cut++;
  }
  return whole + cut === 0 ? -1 : whole / (whole + cut);
}

/** The upright box around box i after the map. */
export function movedBox(
  xyxy: Float32Array,
  i: number,
  { a, b, c, d, tx, ty }: Placed,
): [x0: number, y0: number, x1: number, y1: number] {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = [xyxy[4 * i], xyxy[4 * i + 1], xyxy[4 * i + 2], xyxy[4 * i + 3]];
  const low = (p: number, q: number) => Math.min(p * x0, p * x1) + Math.min(q * y0, q * y1);
  const high = (p: number, q: number) => Math.max(p * x0, p * x1) + Math.max(q * y0, q * y1);
  return [low(a, b) + tx, low(c, d) + ty, high(a, b) + tx, high(c, d) + ty];
}
