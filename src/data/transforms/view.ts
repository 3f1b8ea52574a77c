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
}

/** Objects with fewer visible pixels are dropped from a view. */
const MIN_AREA = 20;

/**
 * A random crop at a random magnification, turned by a right angle, mirrored, with brightness and gamma changed. Labels
 * move with the pixels and are numbered anew.
 *
 * @param grey `[H, W]` in 0..1, see `stretched`
 */
export function randomView(
  grey: Float32Array,
  labels: LabelImage,
  options: ViewOptions,
  random: Random,
): View {
  const { side } = options;
  const scale = Math.exp(random.uniform(Math.log(options.scale[0]), Math.log(options.scale[1])));
  const window = side / scale;
  const place = (size: number) => (size > window ? random.uniform(0, size - window) : (size - window) / 2);
  const [left, top] = [place(labels.width), place(labels.height)];
  const turn = random.integer(4);
  const isMirrored = random.chance(0.5);
  const gamma = Math.exp(random.uniform(-0.4, 0.4));
  const gain = random.uniform(0.75, 1.1);
  const out = new Float32Array(side * side);
  const ids = new Uint32Array(side * side);
  for (let i = 0; i < side * side; i++) {
    const [u, v] = turned((i % side) + 0.5, Math.floor(i / side) + 0.5, side, turn, isMirrored);
    const [x, y] = [left + u / scale, top + v / scale];
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= labels.width || row >= labels.height) continue;
    ids[i] = labels.data[row * labels.width + column] as number;
    out[i] = gain * bilinear(grey, labels.width, labels.height, x - 0.5, y - 0.5) ** gamma;
  }
  return { grey: out, labels: dropSmall(ids, side) };
}

/** The central piece, or the whole where the field is smaller; nothing random, for validation. */
export function centralView(grey: Float32Array, labels: LabelImage, side: number): View {
  const left = Math.floor((labels.width - side) / 2);
  const top = Math.floor((labels.height - side) / 2);
  const out = new Float32Array(side * side);
  const ids = new Uint32Array(side * side);
  for (let i = 0; i < side * side; i++) {
    const [x, y] = [left + (i % side), top + Math.floor(i / side)];
    if (x < 0 || y < 0 || x >= labels.width || y >= labels.height) continue;
    out[i] = grey[y * labels.width + x] as number;
    ids[i] = labels.data[y * labels.width + x] as number;
  }
  return { grey: out, labels: dropSmall(ids, side) };
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
