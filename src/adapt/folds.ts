import type { Random } from '../core/random.js';
import { relabel } from '../image/labels.js';
import type { AnnotatedField } from './annotated.js';

/** What is learnt from and what is held out of it. */
export interface Fold {
  readonly learn: readonly AnnotatedField[];
  readonly test: readonly AnnotatedField[];
}

/**
 * Cross-validation by image; where only one has objects, by its two halves along the longer side, and objects that reach
 * over the cut are left out of both. Every fold has objects to learn from.
 */
export function foldsOf(fields: readonly AnnotatedField[], most: number, random: Random): Fold[] {
  const [first, ...others] = fields.filter((field) => field.boxes.count > 0);
  const isSingle = first !== undefined && others.length === 0;
  const pieces = isSingle ? halves(first) : fields;
  const always = isSingle ? fields.filter((field) => field !== first) : [];
  const count = Math.min(most, pieces.length);
  const order = [...random.permutation(pieces.length)];
  return Array.from({ length: count }, (_, k) => {
    const held = new Set(order.filter((_, i) => i % count === k));
    return {
      learn: [...pieces.filter((_, i) => !held.has(i)), ...always],
      test: pieces.filter((_, i) => held.has(i)),
    };
  }).filter(({ learn }) => learn.some((field) => field.boxes.count > 0));
}

function halves(field: AnnotatedField): AnnotatedField[] {
  const isWide = field.width >= field.height;
  const middle = Math.floor((isWide ? field.width : field.height) / 2);
  const [height, width] = isWide ? [field.height, middle] : [middle, field.width];
  return [0, 1].map((half) => {
    const [left, top] = isWide ? [half * middle, 0] : [0, half * middle];
    return piece(field, left, top, height, width, half);
  });
}

function piece(
  field: AnnotatedField,
  left: number,
  top: number,
  height: number,
  width: number,
  half: number,
): AnnotatedField {
  const { xyxy } = field.boxes;
  const isWhole = (k: number) =>
    (xyxy[k] as number) >= left &&
    (xyxy[k + 1] as number) >= top &&
    (xyxy[k + 2] as number) <= left + width &&
    (xyxy[k + 3] as number) <= top + height;
  const kept = Array.from({ length: field.boxes.count }, (_, i) => i).filter((i) => isWhole(4 * i));
  const moved = (i: number) =>
    [...xyxy.subarray(4 * i, 4 * i + 4)].map((v, k) => v - (k % 2 === 0 ? left : top));
  const boxes = { count: kept.length, xyxy: Float32Array.from(kept.flatMap(moved)) };
  const whole = new Set(kept.map((i) => i + 1));
  const values = new Float32Array(height * width * field.channels);
  const ids = new Uint32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (top + y) * field.width + left + x;
      const id = field.labels.data[from] as number;
      // A cell that the cut goes through would be a false one on either side: its pixels are blanked.
      if (id !== 0 && !whole.has(id)) continue;
      const to = y * width + x;
      for (let c = 0; c < field.channels; c++)
        values[to * field.channels + c] = field.values[from * field.channels + c] as number;
      ids[to] = id;
    }
  }
  const { labels } = relabel(ids, height, width);
  const id = `${field.id}, ${half === 0 ? 'first' : 'second'} half`;
  const cut = { ...field, id, height, width, values, labels, boxes };
  return field.boxesOnly === undefined ? cut : { ...cut, boxesOnly: boxes };
}
