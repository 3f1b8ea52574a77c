import type { Boxes, LabelImage } from '../../image/types.js';
import type { Patch } from '../prepared.js';
import { movedBox, type Placed } from './crop.js';

/** Objects with fewer visible pixels are dropped from a view. */
const MIN_AREA = 20;
/** Boxes of which less is visible are dropped. */
export const MIN_BOX_SHARE = 0.3;

/**
 * A view of `side` x `side`: values between pixels are interpolated (averaged where the image shrinks), labels are those
 * of the nearest pixel, numbered anew; outside the field both are 0.
 */
export function warp(patch: Patch, map: Placed, side: number): Patch {
  const inverse = inverted(map);
  const labels = warpLabels(patch.labels, inverse, side);
  const values = warpValues(patch, inverse, side);
  const moved = { height: side, width: side, channels: patch.channels, values, labels };
  return patch.boxesOnly === undefined
    ? moved
    : { ...moved, boxesOnly: warpBoxes(patch.boxesOnly, map, side) };
}

/** From the view back to the field: `x = a x' + b y' + tx`. */
type Inverse = Omit<Placed, 'size'>;

function inverted({ a, b, c, d, tx, ty }: Placed): Inverse {
  const det = a * d - b * c;
  const inverse = { a: d / det, b: -b / det, c: -c / det, d: a / det };
  return {
    ...inverse,
    tx: -(inverse.a * tx + inverse.b * ty),
    ty: -(inverse.c * tx + inverse.d * ty),
  };
}

function warpLabels(labels: LabelImage, { a, b, c, d, tx, ty }: Inverse, side: number): LabelImage {
  const { width, height, data } = labels;
  const ids = new Uint32Array(side * side);
  const areas = new Uint32Array(labels.count + 1);
  for (let v = 0, o = 0; v < side; v++) {
    for (let u = 0; u < side; u++, o++) {
      const x = Math.floor(a * (u + 0.5) + b * (v + 0.5) + tx);
      const y = Math.floor(c * (u + 0.5) + d * (v + 0.5) + ty);
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const id = data[y * width + x] as number;
      ids[o] = id;
      areas[id] = (areas[id] as number) + 1;
    }
  }
  return renumbered(ids, areas, side);
}

/** Numbers the objects that are large enough by their first pixel. */
function renumbered(ids: Uint32Array, areas: Uint32Array, side: number): LabelImage {
  const rank = new Uint32Array(areas.length);
  let count = 0;
  for (let o = 0; o < ids.length; o++) {
    const id = ids[o] as number;
    if (id === 0) continue;
    if (rank[id] === 0 && (areas[id] as number) >= MIN_AREA) rank[id] = ++count;
    ids[o] = rank[id] as number;
  }
  return { height: side, width: side, data: ids, count };
}

function warpValues(patch: Patch, inverse: Inverse, side: number): Float32Array {
  const { channels } = patch;
  const out = new Float32Array(side * side * channels);
  const shrink = Math.sqrt(Math.abs(inverse.a * inverse.d - inverse.b * inverse.c));
  const samples = Math.max(1, Math.min(8, Math.round(shrink))); // per side of a pixel
  const weight = 1 / (samples * samples);
  for (let i = 0; i < samples; i++)
    for (let j = 0; j < samples; j++)
      addSamples(patch, inverse, side, (i + 0.5) / samples, (j + 0.5) / samples, weight, out);
  return out;
}

/** Adds to each pixel of the view the value at the place (du, dv) inside it. */
function addSamples(
  { width, height, channels, values }: Patch,
  { a, b, c, d, tx, ty }: Inverse,
  side: number,
  du: number,
  dv: number,
  weight: number,
  out: Float32Array,
): void {
  const [right, bottom] = [width - 1, height - 1];
  for (let v = 0, o = 0; v < side; v++) {
    for (let u = 0; u < side; u++, o += channels) {
      const x = a * (u + du) + b * (v + dv) + tx;
      const y = c * (u + du) + d * (v + dv) + ty;
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const column = Math.floor(x - 0.5);
      const row = Math.floor(y - 0.5);
      const fx = x - 0.5 - column;
      const fy = y - 0.5 - row;
      const x0 = Math.max(column, 0) * channels;
      const x1 = (column < right ? column + 1 : right) * channels;
      const y0 = Math.max(row, 0) * width * channels;
      const y1 = (row < bottom ? row + 1 : bottom) * width * channels;
      for (let k = 0; k < channels; k++) {
        const above = (values[y0 + x0 + k] as number) * (1 - fx) + (values[y0 + x1 + k] as number) * fx;
        const below = (values[y1 + x0 + k] as number) * (1 - fx) + (values[y1 + x1 + k] as number) * fx;
        out[o + k] = (out[o + k] as number) + weight * (above * (1 - fy) + below * fy);
      }
    }
  }
}

/** Boxes around the moved boxes, cut to the view; those of which little is visible are dropped. */
export function warpBoxes({ count, xyxy }: Boxes, map: Placed, side: number): Boxes {
  const kept: number[] = [];
  const clip = (value: number) => Math.min(side, Math.max(0, value));
  for (let i = 0; i < count; i++) {
    const [x0, y0, x1, y1] = movedBox(xyxy, i, map);
    const box = [clip(x0), clip(y0), clip(x1), clip(y1)] as const;
    const area = (box[2] - box[0]) * (box[3] - box[1]);
    if (area > 0 && area >= MIN_BOX_SHARE * (x1 - x0) * (y1 - y0)) kept.push(...box);
  }
  return { count: kept.length / 4, xyxy: Float32Array.from(kept) };
}

/** Tells whether a place in a view shows the field. */
export function inside(
  { height, width }: { readonly height: number; readonly width: number },
  map: Placed,
): (u: number, v: number) => boolean {
  const { a, b, c, d, tx, ty } = inverted(map);
  return (u, v) => {
    const [x, y] = [a * u + b * v + tx, c * u + d * v + ty];
    return x >= 0 && y >= 0 && x < width && y < height;
  };
}
