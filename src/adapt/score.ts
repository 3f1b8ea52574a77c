import { throwIfAborted } from '../core/errors.js';
import { hearSignals } from '../core/events.js';
import { boxCounts } from '../evaluate/metrics/boxCounts.js';
import { type Counts, countsAtHalf, f1 } from '../evaluate/metrics/metrics.js';
import { RecordedEngine } from '../evaluate/recordedEngine.js';
import { annotated } from '../evaluate/scoreFields.js';
import { scaleBoxes } from '../image/boxes.js';
import { boxesOf, relabel } from '../image/labels.js';
import { resize } from '../image/resize.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import type { Cells } from '../segment/cells.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import { SMALLEST_CELL } from '../segment/options.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { AnnotatedField } from './annotated.js';

export interface AdaptScore extends Counts {
  readonly id: string;
  readonly f1: number;
}

/**
 * Segments fields as `cellsam segment` does, once for each setting, and counts cells matched at IoU 0.5: masks, or boxes where
 * only those exist. The network runs once for each field.
 *
 * @returns for each setting the scores of the fields
 */
export async function scoreAll(
  model: CellSam,
  settings: readonly Thresholds[],
  fields: readonly AnnotatedField[],
  signal?: AbortSignal,
): Promise<AdaptScore[][]> {
  const engine = new RecordedEngine(new TensorFlowEngine(model));
  const scores: AdaptScore[][] = settings.map(() => []);
  try {
    for (const field of fields) {
      await hearSignals(signal);
      const { image } = annotated(field);
      for (const [i, thresholds] of settings.entries()) {
        throwIfAborted(signal);
        const segmenter = new CellSegmenter(model, { minSize: SMALLEST_CELL }, thresholds, engine);
        const counts = countCells(field, await segmenter.segment(image));
        scores[i]?.push({ id: field.id, ...counts, f1: f1(counts) });
      }
    }
    return scores;
  } finally {
    engine.dispose();
  }
}

/** Sizes, as shares of its own, at which a held-out image is scored: other images' cells are smaller or larger. */
const SIZES = [1, 0.6, 1.6] as const;

/**
 * Scores of fields, each as it is, reduced and magnified, in one: the mean F1 and the sum of the counts. Three scores of an
 * image tell more than one of how a model will do on others, above all of how well it gauges their size.
 *
 * @returns for each setting the scores of the fields
 */
export async function scoreAtSizes(
  model: CellSam,
  settings: readonly Thresholds[],
  fields: readonly AnnotatedField[],
  signal?: AbortSignal,
): Promise<AdaptScore[][]> {
  const scores: AdaptScore[][] = settings.map(() => []);
  for (const field of fields) {
    const sized = SIZES.map((size) => resizedField(field, size));
    for (const [i, each] of (await scoreAll(model, settings, sized, signal)).entries()) {
      const sum = (key: 'tp' | 'fp' | 'fn') => each.reduce((total, score) => total + score[key], 0);
      const mean = meanOf(each.map((score) => score.f1));
      scores[i]?.push({ id: field.id, tp: sum('tp'), fp: sum('fp'), fn: sum('fn'), f1: mean });
    }
  }
  return scores;
}

/** A field at another size; objects that vanish are left out. */
export function resizedField(field: AnnotatedField, size: number): AnnotatedField {
  if (size === 1) return field;
  const [height, width] = [field.height, field.width].map((n) => Math.max(1, Math.round(n * size))) as [
    number,
    number,
  ];
  const { channels } = field;
  const values = resize(
    { height: field.height, width: field.width, channels, data: field.values },
    height,
    width,
  );
  const ids = new Uint32Array(height * width);
  for (let y = 0; y < height; y++) {
    const row = Math.min(field.height - 1, Math.floor((y + 0.5) / size)) * field.width;
    for (let x = 0; x < width; x++)
      ids[y * width + x] = field.labels.data[
        row + Math.min(field.width - 1, Math.floor((x + 0.5) / size))
      ] as number;
  }
  const { labels } = relabel(ids, height, width);
  const scaled = scaleBoxes(field.boxes, width / field.width, height / field.height);
  const boxes = field.boxesOnly === undefined ? boxesOf(labels) : scaled;
  const other = { ...field, height, width, values, labels, boxes, objectSide: field.objectSide * size };
  return field.boxesOnly === undefined ? other : { ...other, boxesOnly: scaled };
}

function countCells(field: AnnotatedField, cells: Cells): Counts {
  if (field.boxesOnly === undefined) return countsAtHalf(field.labels, cells.labels);
  return boxCounts(field.boxesOnly, cells.boxes);
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);
