import { z } from 'zod';
import type { Random } from '../../core/random.js';
import type { Patch } from '../prepared.js';

export const mosaicOptions = z.strictObject({
  chance: z.number().min(0).max(1).default(0).describe('share of views that join pieces of four fields'),
});

/**
 * Four pieces of fields around a random point, as one field of `side` x `side`: more kinds of neighbours than a small set
 * has. Fields with fewer channels have the first ones empty.
 *
 * @param fields four, in the order top left, top right, bottom left, bottom right
 */
export function mosaic(fields: readonly [Patch, Patch, Patch, Patch], side: number, random: Random): Patch {
  const channels = Math.max(...fields.map((field) => field.channels));
  const middle = () => Math.round(side * random.uniform(0.3, 0.7));
  const [x, y] = [middle(), middle()];
  const values = new Float32Array(side * side * channels);
  const data = new Uint32Array(side * side);
  const boxes: number[] = [];
  let count = 0;
  for (const [k, field] of fields.entries()) {
    const [left, top] = [k % 2 === 0 ? 0 : x, k < 2 ? 0 : y];
    const [width, height] = [k % 2 === 0 ? x : side - x, k < 2 ? y : side - y];
    const from = (have: number, want: number) => random.integer(Math.max(1, have - want + 1));
    const piece = {
      left,
      top,
      width: Math.min(width, field.width),
      height: Math.min(height, field.height),
      x: from(field.width, width),
      y: from(field.height, height),
    };
    copyValues(field, piece, values, side, channels);
    copyLabels(field, piece, data, side, count);
    count += field.labels.count;
    boxes.push(...cutBoxes(field, piece));
  }
  const joined = {
    height: side,
    width: side,
    channels,
    values,
    labels: { height: side, width: side, data, count },
  };
  const onlyBoxes = fields.some((field) => field.boxesOnly !== undefined);
  return onlyBoxes
    ? { ...joined, boxesOnly: { count: boxes.length / 4, xyxy: Float32Array.from(boxes) } }
    : joined;
}

/** Where a piece lies in the mosaic, and where in its field. */
interface Piece {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly x: number;
  readonly y: number;
}

function copyValues(field: Patch, piece: Piece, out: Float32Array, side: number, channels: number): void {
  const missing = channels - field.channels;
  for (let v = 0; v < piece.height; v++) {
    let from = ((piece.y + v) * field.width + piece.x) * field.channels;
    let to = ((piece.top + v) * side + piece.left) * channels + missing;
    for (let u = 0; u < piece.width; u++, to += missing)
      for (let c = 0; c < field.channels; c++) out[to++] = field.values[from++] as number;
  }
}

function copyLabels({ labels }: Patch, piece: Piece, out: Uint32Array, side: number, before: number): void {
  for (let v = 0; v < piece.height; v++) {
    const from = (piece.y + v) * labels.width + piece.x;
    const to = (piece.top + v) * side + piece.left;
    for (let u = 0; u < piece.width; u++) {
      const id = labels.data[from + u] as number;
      if (id !== 0) out[to + u] = before + id;
    }
  }
}

/** Boxes of a field that has no masks, cut to the piece; those of which less than a quarter is left are dropped. */
function cutBoxes({ boxesOnly }: Patch, piece: Piece): number[] {
  const { xyxy, count } = boxesOnly ?? { xyxy: new Float32Array(), count: 0 };
  const kept: number[] = [];
  for (let i = 0; i < count; i++) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(4 * i, 4 * i + 4);
    const clipX = (value: number) => Math.min(piece.width, Math.max(0, value - piece.x));
    const clipY = (value: number) => Math.min(piece.height, Math.max(0, value - piece.y));
    const box = [clipX(x0), clipY(y0), clipX(x1), clipY(y1)] as const;
    if ((box[2] - box[0]) * (box[3] - box[1]) * 4 < (x1 - x0) * (y1 - y0)) continue;
    kept.push(piece.left + box[0], piece.top + box[1], piece.left + box[2], piece.top + box[3]);
  }
  return kept;
}
