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
    const startX = a * 0.5 + b * (v + 0.5) + tx;
    const startY = c * 0.5 + d * (v + 0.5) + ty;
    for (let u = 0; u < side; u++, o++) {
      const x = startX + a * u;
      const y = startY + c * u;
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const id = data[(y | 0) * width + (x | 0)] as number;
      if (id === 0) continue;
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
    const startX = a * du + b * (v + dv) + tx;
    const startY = c * du + d * (v + dv) + ty;
    for (let u = 0; u < side; u++, o += channels) {
      const x = startX + a * u;
      const y = startY + c * u;
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const column = ((x + 0.5) | 0) - 1; // floor(x - 0.5), for x from 0 on
      const row = ((y + 0.5) | 0) - 1;
      const fx = x - 0.5 - column;
      const fy = y - 0.5 - row;
      const left = column < 1 ? 0 : column * channels;
      const step = column < 0 || column >= right ? 0 : channels;
      const above = row < 1 ? 0 : row * width * channels;
      const below = row < 0 || row >= bottom ? above : above + width * channels;
      for (let k = 0; k < channels; k++) {
        const i = above + left + k;
        const j = below + left + k;
        const high = (values[i] as number) * (1 - fx) + (values[i + step] as number) * fx;
        const low = (values[j] as number) * (1 - fx) + (values[j + step] as number) * fx;
        out[o + k] = (out[o + k] as number) + weight * (high * (1 - fy) + low * fy);
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
