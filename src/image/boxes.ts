import type { Boxes } from './types.js';

/** Boxes from rows of `[x0, y0, x1, y1]`. */
export function boxesFrom(rows: readonly (readonly [number, number, number, number])[]): Boxes {
  return { count: rows.length, xyxy: Float32Array.from(rows.flat()) };
}

/** Box i as `[x0, y0, x1, y1]`. */
export function boxAt({ xyxy }: Boxes, i: number): BoxNumbers {
  return numbersAt(xyxy, i);
}

/** The four numbers of a box, in corner or in centre form. */
export type BoxNumbers = [number, number, number, number];

/** Those of box i of `[n, 4]`. */
export function numbersAt(boxes: Float32Array, i: number): BoxNumbers {
  const k = i * 4;
  return [boxes[k] as number, boxes[k + 1] as number, boxes[k + 2] as number, boxes[k + 3] as number];
}

/** The boxes of these indexes, in this order. */
export function takeBoxes(boxes: Boxes, indexes: ArrayLike<number>): Boxes {
  const xyxy = new Float32Array(indexes.length * 4);
  for (let i = 0; i < indexes.length; i++) {
    const k = (indexes[i] as number) * 4;
    xyxy.set(boxes.xyxy.subarray(k, k + 4), i * 4);
  }
  return { count: indexes.length, xyxy };
}

/** Boxes multiplied by a factor in x and one in y: pixels of another size of the same image. */
export function scaleBoxes(boxes: Boxes, scaleX: number, scaleY: number): Boxes {
  return { count: boxes.count, xyxy: boxes.xyxy.map((v, i) => v * (i % 2 === 0 ? scaleX : scaleY)) };
}

/** Boxes moved by (dx, dy). */
export function moveBoxes(boxes: Boxes, dx: number, dy: number): Boxes {
  return { count: boxes.count, xyxy: boxes.xyxy.map((v, i) => v + (i % 2 === 0 ? dx : dy)) };
}

/** Edges cut to the rectangle `[0, width] x [0, height]`. */
export function clipBoxes(boxes: Boxes, height: number, width: number): Boxes {
  const xyxy = boxes.xyxy.map((v, i) => Math.min(Math.max(v, 0), i % 2 === 0 ? width : height));
  return { count: boxes.count, xyxy };
}

/** `[N, 4]` centre x, centre y, width, height divided by the image's sides, the detector's form, from pixels. */
export function toCentreSize(boxes: Boxes, height: number, width: number): Float32Array {
  const out = new Float32Array(boxes.count * 4);
  for (let i = 0; i < boxes.count; i++) {
    const [x0, y0, x1, y1] = boxAt(boxes, i);
    out.set([(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height], i * 4);
  }
  return out;
}

/** The inverse of `toCentreSize`. */
export function fromCentreSize(cxcywh: ArrayLike<number>, height: number, width: number): Boxes {
  const count = Math.floor(cxcywh.length / 4);
  const xyxy = new Float32Array(count * 4);
  for (let k = 0; k < count * 4; k += 4) {
    const [cx, cy] = [cxcywh[k] as number, cxcywh[k + 1] as number];
    const [w, h] = [cxcywh[k + 2] as number, cxcywh[k + 3] as number];
    xyxy.set([(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height], k);
  }
  return { count, xyxy };
}

/** From inclusive integer corners (last pixel instead of edge) as other formats hold them. */
export function fromInclusive(corners: ArrayLike<number>): Boxes {
  const xyxy = Float32Array.from(corners, (v, i) => (i % 4 < 2 ? v : v + 1));
  return { count: xyxy.length / 4, xyxy };
}

/** From `[x, y, width, height]` rows, COCO's form. */
export function fromCornerSize(xywh: ArrayLike<number>): Boxes {
  const xyxy = Float32Array.from(xywh, (v, i) => (i % 4 < 2 ? v : v + (xywh[i - 2] as number)));
  return { count: xyxy.length / 4, xyxy };
}

/** Areas `[N]`. */
export function boxAreas(boxes: Boxes): Float32Array {
  return Float32Array.from({ length: boxes.count }, (_, i) => {
    const [x0, y0, x1, y1] = boxAt(boxes, i);
    return (x1 - x0) * (y1 - y0);
  });
}

/** Intersection over union of box i of `a` and box j of `b`; 0 for two empty boxes. */
export function boxIou(a: Boxes, i: number, b: Boxes, j: number): number {
  const [ax0, ay0, ax1, ay1] = boxAt(a, i);
  const [bx0, by0, bx1, by1] = boxAt(b, j);
  const w = Math.min(ax1, bx1) - Math.max(ax0, bx0);
  const h = Math.min(ay1, by1) - Math.max(ay0, by0);
  if (w <= 0 || h <= 0) return 0;
  const shared = w * h;
  return shared / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared);
}

/** All pairs: `[N, M]` row-major. */
export function boxIouTable(a: Boxes, b: Boxes): Float32Array {
  const table = new Float32Array(a.count * b.count);
  for (let i = 0; i < a.count; i++)
    for (let j = 0; j < b.count; j++) table[i * b.count + j] = boxIou(a, i, b, j);
  return table;
}

/**
 * Non-maximum suppression: indexes kept, in falling order of score; a box that overlaps a kept one by more than
 * `maxIou` falls away.
 */
export function suppress(boxes: Boxes, scores: ArrayLike<number>, maxIou: number): number[] {
  const order = Array.from({ length: boxes.count }, (_, i) => i);
  order.sort((i, j) => (scores[j] as number) - (scores[i] as number) || i - j);
  const kept: number[] = [];
  for (const i of order) if (kept.every((j) => boxIou(boxes, i, boxes, j) <= maxIou)) kept.push(i);
  return kept;
}
