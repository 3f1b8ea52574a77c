import { hearSignals, type JobContext } from '../core/events.js';
import { type Annotated, boxSweep, calibrate, looked } from '../evaluate/calibrate.js';
import { boxCounts } from '../evaluate/metrics/boxCounts.js';
import { f1, scoreImage } from '../evaluate/metrics/metrics.js';
import { proposals, segmentWithTrueBoxes } from '../evaluate/parts.js';
import { takeBoxes } from '../image/boxes.js';
import { boxesOf } from '../image/labels.js';
import type { Boxes } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import { SMALLEST_CELL } from '../segment/options.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { Stage } from './stages/stage.js';

/** What a look at the validation images found. */
export interface Validated {
  /** Mean over images, 0..1; by it the best model is chosen. */
  readonly f1: number;
  readonly thresholds: Thresholds;
  /** What `f1` is the F1 of, for the log. */
  readonly measure: string;
}

/** Given true boxes nearly every mask passes an IoU of 0.5; only a stricter one tells masks apart. */
const STRICT_IOU = 0.75;

/**
 * Judges a model by what its stage trains: boxes against true boxes, masks in true boxes, or the cells that come out.
 *
 * @param base thresholds that are kept, but for the box threshold, which is found
 */
export async function validate(
  model: CellSam,
  stage: Stage,
  images: readonly Annotated[],
  base: Thresholds,
  context: JobContext,
): Promise<Validated> {
  if (stage === 'detector') return boxF1(model, images, base, context);
  const found = await calibrate(model, images, boxSweep, { minSize: SMALLEST_CELL }, context, base);
  if (stage === 'joint') return { f1: found.f1, thresholds: found.thresholds, measure: 'cells at IoU 0.5' };
  return {
    f1: await maskF1(model, images, context),
    thresholds: found.thresholds,
    measure: `masks in true boxes at IoU ${STRICT_IOU}`,
  };
}

async function maskF1(
  model: CellSam,
  images: readonly Annotated[],
  { emit, signal }: JobContext,
): Promise<number> {
  const segmenter = new CellSegmenter(model, { minSize: SMALLEST_CELL });
  let sum = 0;
  for (const [done, { image, truth }] of images.entries()) {
    await hearSignals(signal);
    const { labels } = await segmentWithTrueBoxes(segmenter, image, truth);
    sum += scoreImage(truth, labels, [STRICT_IOU]).thresholds[0]?.f1 ?? 0;
    emit(looked(done, images.length, 'scoring masks'));
  }
  return sum / Math.max(1, images.length);
}

/** The best mean F1 of boxes at an IoU of 0.5 over the thresholds of a quick look, and that threshold. */
async function boxF1(
  model: CellSam,
  images: readonly Annotated[],
  base: Thresholds,
  { emit, signal }: JobContext,
): Promise<Validated> {
  const segmenter = new CellSegmenter(model, {}, base);
  const found: { truth: Boxes; boxes: Boxes; scores: Float32Array }[] = [];
  for (const [done, { image, truth }] of images.entries()) {
    await hearSignals(signal);
    found.push({ truth: boxesOf(truth), ...(await proposals(segmenter, image)) });
    emit(looked(done, images.length, 'finding boxes'));
  }
  const [, values = []] = boxSweep[0] ?? [];
  let best = { f1: -1, box: base.box };
  for (const box of values) {
    const each = found.map(({ truth, boxes, scores }) => f1(boxCounts(truth, above(boxes, scores, box))));
    const mean = each.reduce((a, b) => a + b, 0) / Math.max(1, each.length);
    if (mean > best.f1) best = { f1: mean, box };
  }
  return { f1: best.f1, thresholds: { ...base, box: best.box }, measure: 'boxes at IoU 0.5' };
}

function above(boxes: Boxes, scores: ArrayLike<number>, threshold: number): Boxes {
  const kept = Array.from({ length: boxes.count }, (_, i) => i).filter(
    (i) => (scores[i] as number) > threshold,
  );
  return takeBoxes(boxes, kept);
}
