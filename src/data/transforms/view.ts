import type { Random } from '../../core/random.js';
import type { LabelImage } from '../../image/types.js';

/** A square piece of an annotated field at the model's size. */
export interface View {
  /** `[S, S]` grey values in 0..1. */
  readonly grey: Float32Array;
  readonly labels: LabelImage;
}

export interface ViewOptions {
  readonly side: number;
  /** Smallest and largest magnification. */
  readonly scale: readonly [number, number];
  /** Fields of smaller objects are magnified until their median side is this many px, at most `MOST_ZOOM` times. */
  readonly objectSide?: number | undefined;
  /** How often fields with a bright background come in an epoch. */
  readonly repeatInverted?: number | undefined;
}

/** What a view is cut from. */
export interface Field {
  /** `[H, W]` in 0..1, see `stretched`. */
  readonly grey: Float32Array;
  readonly labels: LabelImage;
  /** Median side of its objects in px, 0 without objects. */
  readonly objectSide: number;
}

/** Magnification that brings small objects to a size where they are well resolved; more only blurs. */
const MOST_ZOOM = 3;
/** Share of views that keep their field's magnification, so that a model can gauge sizes before it knows them. */
const UNGAUGED = 0.2;

/** By how much a field is magnified before the random scale. */
export function zoomFor(side: number, wanted: number | undefined): number {
  return wanted === undefined || side <= 0 ? 1 : Math.min(MOST_ZOOM, Math.max(1, wanted / side));
}

/** Objects with fewer visible pixels are dropped from a view. */
const MIN_AREA = 20;
/** Of a box that the view's edge cuts, at least this share of its area must be visible. */
const MIN_BOX_SHARE = 0.3;

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

/**
 * A random crop at a random magnification, turned by a right angle, mirrored, with brightness and gamma changed. Labels
 * move with the pixels and are numbered anew.
 */
export function randomView(field: Field, options: ViewOptions, random: Random): View {
  const { grey, labels } = field;
  const { side } = options;
  const zoom = random.chance(UNGAUGED) ? 1 : zoomFor(field.objectSide, options.objectSide);
  const scale = zoom * Math.exp(random.uniform(Math.log(options.scale[0]), Math.log(options.scale[1])));
  const window = side / scale;
  const place = (size: number) => (size > window ? random.uniform(0, size - window) : (size - window) / 2);
  const [left, top] = [place(labels.width), place(labels.height)];
  const placement = { left, top, scale, turn: random.integer(4), isMirrored: random.chance(0.5) };
  const gamma = Math.exp(random.uniform(-0.5, 0.5));
  const gain = random.uniform(0.7, 1.15);
  const haze = random.chance(0.3) ? random.uniform(0, 0.15) : 0;
  const noise = random.chance(0.3) ? random.uniform(0, 0.06) : 0;
  return cutView(grey, labels, placement, side, (grey) => {
    const value = haze + (gain - haze) * grey ** gamma;
    return noise === 0 ? value : Math.min(1, Math.max(0, value + random.normal(0, noise)));
  });
}

/**
 * The piece of a field at a placement, `[side, side]`; labels are numbered anew, slivers dropped.
 *
 * @param tone changes a grey value; called for the pixels inside the field, row by row
 */
export function cutView(
  grey: Float32Array,
  labels: LabelImage,
  { left, top, scale, turn, isMirrored }: Placement,
  side: number,
  tone: (value: number) => number = (value) => value,
): View {
  const out = new Float32Array(side * side);
  const ids = new Uint32Array(side * side);
  for (let i = 0; i < side * side; i++) {
    const [u, v] = turned((i % side) + 0.5, Math.floor(i / side) + 0.5, side, turn, isMirrored);
    const [x, y] = [left + u / scale, top + v / scale];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= labels.width || row >= labels.height) continue;
    ids[i] = labels.data[row * labels.width + column] as number;
    out[i] = tone(bilinear(grey, labels.width, labels.height, x - 0.5, y - 0.5));
  }
  return { grey: out, labels: dropSmall(ids, side) };
}

/** Boxes `[N, 4]` of a field as a view at this placement sees them: clipped to it, those mostly outside dropped. */
export function cutBoxes(xyxy: Float32Array, placement: Placement, side: number): Float32Array {
  const { left, top, scale, turn, isMirrored } = placement;
  const kept: number[] = [];
  for (let k = 0; k < xyxy.length; k += 4) {
    const corner = (x: number, y: number) =>
      turnedBack(
        ((xyxy[k + x] as number) - left) * scale,
        ((xyxy[k + y] as number) - top) * scale,
        side,
        turn,
        isMirrored,
      );
    const [a, b] = [corner(0, 1), corner(2, 3)];
    const box = [
      Math.min(a[0], b[0]),
      Math.min(a[1], b[1]),
      Math.max(a[0], b[0]),
      Math.max(a[1], b[1]),
    ] as const;
    const [x0, y0, x1, y1] = box.map((edge) => Math.min(side, Math.max(0, edge))) as [
      number,
      number,
      number,
      number,
    ];
    const whole = (box[2] - box[0]) * (box[3] - box[1]);
    if (x1 > x0 && y1 > y0 && (x1 - x0) * (y1 - y0) >= MIN_BOX_SHARE * whole) kept.push(x0, y0, x1, y1);
  }
  return Float32Array.from(kept);
}

/** The central piece, or the whole where the field is smaller; nothing random, for validation. */
export function centralView(grey: Float32Array, labels: LabelImage, side: number): View {
  const left = Math.floor((labels.width - side) / 2);
  const top = Math.floor((labels.height - side) / 2);
  return cutView(grey, labels, { left, top, scale: 1, turn: 0, isMirrored: false }, side);
}

function turned(
  x: number,
  y: number,
  side: number,
  quarter: number,
  isMirrored: boolean,
): readonly [number, number] {
  const u = isMirrored ? side - x : x;
  if (quarter === 0) return [u, y];
  if (quarter === 1) return [y, side - u];
  return quarter === 2 ? [side - u, side - y] : [side - y, u];
}

/** The inverse of `turned`. */
function turnedBack(
  x: number,
  y: number,
  side: number,
  quarter: number,
  isMirrored: boolean,
): readonly [number, number] {
  const [u, v] = (
    [
      [x, y],
      [side - y, x],
      [side - x, side - y],
      [y, side - x],
    ] as const
  )[quarter] as readonly [number, number];
  return [isMirrored ? side - u : u, v];
}

function bilinear(image: Float32Array, width: number, height: number, x: number, y: number): number {
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const at = (column: number, row: number) =>
    image[
      Math.min(height - 1, Math.max(0, row)) * width + Math.min(width - 1, Math.max(0, column))
    ] as number;
  const [fx, fy] = [x - x0, y - y0];
  return (
    (at(x0, y0) * (1 - fx) + at(x0 + 1, y0) * fx) * (1 - fy) +
    (at(x0, y0 + 1) * (1 - fx) + at(x0 + 1, y0 + 1) * fx) * fy
  );
}

function dropSmall(ids: Uint32Array, side: number): LabelImage {
  const areas = new Map<number, number>();
  for (const id of ids) if (id !== 0) areas.set(id, (areas.get(id) ?? 0) + 1);
  const rank = new Map([...areas].filter(([, area]) => area >= MIN_AREA).map(([id], i) => [id, i + 1]));
  return { height: side, width: side, data: ids.map((id) => rank.get(id) ?? 0), count: rank.size };
}
