import { numbersAt } from '../../image/boxes.js';
import type { DenseOutput } from '../../models/cellfinder/proposals.js';
import { detach, tf } from '../../tf/index.js';
import { giou } from './boxes.js';
import { bceWithLogits } from './focal.js';

/** Cells of the head that answer for an object: image and cell as one flat row, and the object's index in the batch. */
export interface DenseAssignment {
  readonly rows: Int32Array;
  readonly objects: Int32Array;
}

/** Cells this many strides from an object's centre (per axis) and inside its box answer for it. */
const RADIUS = 1.25;
/** The class target of a positive cell is the IoU of its box, but never less: it would look like background. */
const LEAST_QUALITY = 0.1;

/**
 * Assigns cells to objects: the one nearest to the centre always, others near the centre and inside the box. Of several
 * objects the smaller wins, except over another's nearest cell.
 *
 * @param boxes `[sum N, 4]` corners in px @param offsets `[B + 1]` into it @param columns cells in a row of the grid
 */
export function assignCells(
  boxes: Float32Array,
  offsets: Int32Array,
  stride: number,
  rows: number,
  columns: number,
): DenseAssignment {
  const assigned: { row: number; object: number }[] = [];
  for (let b = 0; b + 1 < offsets.length; b++) {
    const owner = new Map<number, { object: number; area: number; isNearest: boolean }>();
    for (let object = offsets[b] as number; object < (offsets[b + 1] as number); object++) {
      const [x0, y0, x1, y1] = numbersAt(boxes, object);
      const [cx, cy, area] = [(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * (y1 - y0)];
      const clampTo = (value: number, size: number) =>
        Math.min(size - 1, Math.max(0, Math.floor(value / stride)));
      const nearest = clampTo(cy, rows) * columns + clampTo(cx, columns);
      const claim = (cell: number, isNearest: boolean) => {
        const held = owner.get(cell);
        const wins =
          held === undefined ||
          (isNearest && !held.isNearest) ||
          (isNearest === held.isNearest && area < held.area);
        if (wins) owner.set(cell, { object, area, isNearest });
      };
      claim(nearest, true);
      const reach = RADIUS * stride;
      for (let r = clampTo(cy - reach, rows); r <= clampTo(cy + reach, rows); r++) {
        for (let c = clampTo(cx - reach, columns); c <= clampTo(cx + reach, columns); c++) {
          const [x, y] = [(c + 0.5) * stride, (r + 0.5) * stride];
          const isNear = Math.abs(x - cx) <= reach && Math.abs(y - cy) <= reach;
          if (isNear && x > x0 && x < x1 && y > y0 && y < y1) claim(r * columns + c, false);
        }
      }
    }
    for (const [cell, { object }] of owner) assigned.push({ row: b * rows * columns + cell, object });
  }
  return {
    rows: Int32Array.from(assigned, (a) => a.row),
    objects: Int32Array.from(assigned, (a) => a.object),
  };
}

/**
 * Losses of dense proposals: quality focal loss of the scores (Li et al. 2020, exponent 2) against the IoU of the
 * predicted box, GIoU and L1 relative to the object's size, divided by the number of positive cells.
 *
 * @param boxes `[sum N, 4]` corners in px @param offsets `[B + 1]`
 */
export function denseLosses(
  output: DenseOutput,
  boxes: Float32Array,
  offsets: Int32Array,
  grid: { readonly rows: number; readonly columns: number },
) {
  return tf.tidy(() => {
    const { rows, objects } = assignCells(boxes, offsets, output.stride, grid.rows, grid.columns);
    const count = Math.max(1, rows.length);
    const targets = new Float32Array(output.logits.size);
    let box: tf.Tensor = tf.scalar(0);
    if (rows.length > 0) {
      const own = output.boxes.reshape([-1, 4]).gather(tf.tensor1d(rows, 'int32')) as tf.Tensor2D;
      const truth = tf
        .tensor2d(boxes, [boxes.length / 4, 4])
        .gather(tf.tensor1d(objects, 'int32')) as tf.Tensor2D;
      const overlap = giou(own, truth);
      const quality = detach(overlap.iou).dataSync();
      for (const [i, row] of rows.entries()) targets[row] = Math.max(LEAST_QUALITY, quality[i] as number);
      const sides = truth
        .slice([0, 2], [-1, 2])
        .sub(truth.slice([0, 0], [-1, 2]))
        .tile([1, 2]);
      const distance = own.sub(truth).abs().div(sides).mean(1);
      box = tf.sub(1, overlap.giou).mul(2).add(distance).sum().div(count);
    }
    const wanted = tf.tensor(targets, output.logits.shape);
    const distance = wanted.sub(detach(output.logits).sigmoid());
    const score = bceWithLogits(output.logits, wanted).mul(distance.square()).sum().mul(2).div(count);
    return { score: score.asScalar(), box: box.asScalar(), total: score.add(box).asScalar() };
  });
}
