import { areasOf, boxesOf, type Relabelled, relabel } from '../image/labels.js';
import type { Boxes, LabelImage } from '../image/types.js';

/**
 * Small cells become background, the rest is numbered 1, 2, ... in the order of ids, and each cell's holes are filled
 * where they are background. Pixels of another cell inside a hole stay that cell's.
 *
 * @param minSize in pixels, counted before filling
 */
export function clean(labels: LabelImage, minSize: number, fillHoles = true): Relabelled {
  const areas = areasOf(labels);
  const kept = labels.data.map((id) => (id === 0 || (areas[id - 1] as number) < minSize ? 0 : id));
  const result = relabel(kept, labels.height, labels.width);
  if (fillHoles) {
    const boxes = boxesOf(result.labels);
    for (let label = 1; label <= result.labels.count; label++) fillCell(result.labels, boxes, label);
  }
  return result;
}

/** Gives `label` the background pixels that cannot be reached from outside the cell by steps over edges. */
function fillCell(labels: LabelImage, boxes: Boxes, label: number): void {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.xyxy.subarray(label * 4 - 4, label * 4);
  const width = x1 - x0 + 2; // one pixel of outside on every side
  const height = y1 - y0 + 2;
  const closed = new Uint8Array(width * height); // 1 cell, 2 reached from outside
  const { data } = labels;
  for (let y = y0; y < y1; y++)
    for (let x = x0; x < x1; x++)
      if (data[y * labels.width + x] === label) closed[(y - y0 + 1) * width + x - x0 + 1] = 1;
  flood(closed, height, width);
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const i = y * labels.width + x;
      if (data[i] === 0 && closed[(y - y0 + 1) * width + x - x0 + 1] === 0) data[i] = label;
    }
  }
}

/** Marks with 2 all zeros that are connected to the corner. */
function flood(cells: Uint8Array, height: number, width: number): void {
  const stack = new Int32Array(height * width);
  let top = 1;
  cells[0] = 2;
  const visit = (i: number): void => {
    if (cells[i] !== 0) return;
    cells[i] = 2;
    stack[top++] = i;
  };
  while (top > 0) {
    const i = stack[--top] as number;
    const x = i % width;
    if (x > 0) visit(i - 1);
    if (x + 1 < width) visit(i + 1);
    if (i >= width) visit(i - width);
    if (i + width < cells.length) visit(i + width);
  }
}

/** `inner`: pixels with another value on any side; `published`: only left and below, as CellSAM was released. */
export type BoundaryRule = 'inner' | 'published';

/** Clears the boundary pixels of cells. Neighbours outside the image do not count. */
export function removeBoundaries(labels: LabelImage, rule: BoundaryRule): LabelImage {
  const { height, width, data } = labels;
  const out = Uint32Array.from(data);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = data[i] as number;
      if (label === 0) continue;
      const differs =
        (x > 0 && data[i - 1] !== label) ||
        (y + 1 < height && data[i + width] !== label) ||
        (rule === 'inner' &&
          ((x + 1 < width && data[i + 1] !== label) || (y > 0 && data[i - width] !== label)));
      if (differs) out[i] = 0;
    }
  }
  return { ...labels, data: out };
}
