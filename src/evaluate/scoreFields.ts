import { throwIfAborted } from '../core/errors.js';
import { type JobContext, silent } from '../core/events.js';
import type { PreparedField } from '../data/batches.js';
import { centralView } from '../data/transforms/view.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import { Segmenter } from '../segment/segmenter.js';
import type { Thresholds } from '../segment/thresholds.js';
import { countsAtHalf, f1 } from './f1.js';

/** One scored field: the central piece at the model's size. */
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

/** Segments the central piece of every field and counts cells matched at IoU 0.5. */
export async function scoreFields(
  model: CellSam,
  fields: readonly PreparedField[],
  thresholds: Thresholds,
  context: JobContext,
): Promise<FieldScore[]> {
  const side = model.config.vit.imgSize;
  const segmenter = new Segmenter(new TensorFlowEngine(model), { minSize: 20 }, thresholds);
  const scores: FieldScore[] = [];
  for (const [done, field] of fields.entries()) {
    throwIfAborted(context.signal);
    const view = centralView(field.grey, field.labels, side);
    const data = view.grey.map((value) => 255 * value);
    const image: PixelImage = { height: side, width: side, channels: ['whole-cell'], data, range: [0, 255] };
    const cells = await segmenter.segment(image);
    const counts = countsAtHalf(view.labels, cells.labels);
    scores.push({
      id: field.id,
      f1: f1(counts),
      ...counts,
      image,
      truth: view.labels,
      predicted: cells.labels,
    });
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
    const scores = await scoreFields(model, fields, thresholds, { ...context, emit: silent });
    const f1 = scores.reduce((sum, s) => sum + s.f1, 0) / Math.max(1, scores.length);
    if (f1 > best.f1) best = { thresholds, f1 };
  }
  return best;
}
