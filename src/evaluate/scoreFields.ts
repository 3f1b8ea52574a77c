import { hearSignals, type JobContext } from '../core/events.js';
import { channelNames, type PreparedField } from '../data/prepared.js';
import { centralView } from '../data/transforms/view.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import type { Annotated } from './calibrate.js';
import { f1AtHalf } from './metrics/metrics.js';

/** One scored field. */
export interface FieldScore extends Annotated {
  readonly id: string;
  /** At IoU 0.5. */
  readonly f1: number;
  readonly predicted: LabelImage;
}

/** F1 at IoU 0.5 of each field; larger fields are tiled as `cellsam segment` does. */
export async function scoreFields(
  segmenter: CellSegmenter,
  fields: readonly PreparedField[],
  context: JobContext,
): Promise<FieldScore[]> {
  const scores: FieldScore[] = [];
  for (const [done, field] of fields.entries()) {
    const { id } = field;
    const { image, truth } = annotated(field);
    await hearSignals(context.signal);
    const { labels } = await segmenter.segment(image);
    scores.push({ id, image, truth, predicted: labels, f1: f1AtHalf(truth, labels) });
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
  return fields.map((field) => centralView(field, side));
}

/** A prepared field as an image that can be segmented. */
export function annotated({ values, channels, labels }: PreparedField): Annotated {
  const { height, width } = labels;
  const data = values.map((value) => 255 * value);
  const image: PixelImage = { height, width, channels: channelNames(channels), data, range: [0, 255] };
  return { image, truth: labels };
}
