import { throwIfAborted } from '../core/errors.js';
import { type JobContext, silent } from '../core/events.js';
import type { PreparedField } from '../data/batches.js';
import { centralView } from '../data/transforms/view.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/loadCellSam.js';
import type { Thresholds } from '../segment/thresholds.js';
import { countsAtHalf, f1 } from './f1.js';

/** One scored field. */
export interface FieldScore {
  readonly id: string;
  readonly f1: number;
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly image: PixelImage;
  readonly truth: LabelImage;
  readonly predicted: LabelImage;
}

/** Segments fields and counts cells matched at IoU 0.5; larger fields are tiled as `cellsam segment` does. */
export async function scoreFields(
  segmenter: CellSegmenter,
  fields: readonly PreparedField[],
  context: JobContext,
): Promise<FieldScore[]> {
  const scores: FieldScore[] = [];
  for (const [done, { id, grey, labels }] of fields.entries()) {
    throwIfAborted(context.signal);
    const { height, width } = labels;
    const data = grey.map((value) => 255 * value);
    const image: PixelImage = { height, width, channels: ['whole-cell'], data, range: [0, 255] };
    const cells = await segmenter.segment(image);
    const counts = countsAtHalf(labels, cells.labels);
    scores.push({ id, f1: f1(counts), ...counts, image, truth: labels, predicted: cells.labels });
    context.emit({
      kind: 'progress',
      done: done + 1,
      total: fields.length,
      unit: 'fields',
      detail: 'scoring',
    });
  }
  return scores;
}

/** The central pieces of fields at a model's own size, for quick looks during training. */
export function centralFields(fields: readonly PreparedField[], side: number): PreparedField[] {
  return fields.map((field) => ({ ...field, ...centralView(field.grey, field.labels, side) }));
}

/** Thresholds of a model that scores its proposals by their expected IoU: the box score decides alone. */
export function plainThresholds(box: number): Thresholds {
  return { box, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 };
}

/** The box threshold with the best mean F1 on these fields, and that mean. */
export async function calibrate(
  model: CellSam,
  fields: readonly PreparedField[],
  context: JobContext,
): Promise<{ readonly thresholds: Thresholds; readonly f1: number }> {
  let best = { thresholds: plainThresholds(0.4), f1: -1 };
  for (const box of [0.15, 0.25, 0.35, 0.45]) {
    const thresholds = plainThresholds(box);
    const scores = await scoreFields(new CellSegmenter(model, { minSize: 20 }, thresholds), fields, {
      ...context,
      emit: silent,
    });
    const f1 = scores.reduce((sum, s) => sum + s.f1, 0) / Math.max(1, scores.length);
    if (f1 > best.f1) best = { thresholds, f1 };
  }
  return best;
}
