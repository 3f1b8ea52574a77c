import { hearSignals, type JobContext, type JobEvent } from '../core/events.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import type { Scaling } from '../segment/engine.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import type { SegmentOptions } from '../segment/options.js';
import type { Thresholds } from '../segment/thresholds.js';
import { f1AtHalf } from './metrics/metrics.js';
import { RecordedEngine } from './recordedEngine.js';

/** An image with its truth. */
export interface Annotated {
  readonly image: PixelImage;
  readonly truth: LabelImage;
}

/** One setting that was tried. */
export interface Trial {
  readonly thresholds: Thresholds;
  /** Mean over images of F1 at IoU 0.5. */
  readonly f1: number;
}

export interface Calibration extends Trial {
  readonly trials: readonly Trial[];
  /** For each image, with the best thresholds. */
  readonly each: readonly number[];
}

/** Thresholds of a model that scores its proposals by their expected IoU: the box score decides alone. */
export function plainThresholds(box: number): Thresholds {
  return { box, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 };
}

/** What is tried of each threshold, one after the other, the box threshold first and again at the end. */
export type Sweep = readonly (readonly [
  name: 'box' | 'iou' | 'mask' | 'sameCell',
  values: readonly number[],
])[];

/** A quick look: the box threshold alone. */
export const boxSweep: Sweep = [['box', [0.15, 0.25, 0.35, 0.45]]];

const boxes = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7];

/** All thresholds, for a model that is finished. Low box thresholds come first, so every mask is decoded once. */
export const fullSweep: Sweep = [
  ['box', boxes],
  ['sameCell', [0.2, 0.3, 0.4, 0.5]],
  ['mask', [0.4, 0.5, 0.6]],
  ['iou', [0, 0.3, 0.5, 0.6, 0.7]],
  ['box', boxes],
];

/** That one more of the validation images has been looked at. @param done index of the image */
export const looked = (done: number, total: number, detail: string): JobEvent => ({
  kind: 'progress',
  done: done + 1,
  total,
  unit: 'validation images',
  detail,
});

/**
 * The thresholds with the best mean F1 at IoU 0.5 on annotated images, found one threshold at a time. The network runs
 * once for each image: boxes and masks are remembered, and only what follows is done again. A setting is better only if
 * it is better by more than rounding; of equal ones the first stands.
 *
 * @param start thresholds that hold until another is better, and what the sweep leaves alone
 * @param scaling how pixels become the model's input
 */
export async function calibrate(
  model: CellSam,
  images: readonly Annotated[],
  sweep: Sweep,
  options: Partial<SegmentOptions>,
  context: JobContext,
  start: Thresholds = plainThresholds(0.4),
  scaling: Scaling = 'plain',
): Promise<Calibration> {
  const engine = new RecordedEngine(new TensorFlowEngine(model, scaling));
  const trials: Trial[] = [];
  let best: Trial & { each: readonly number[] } = { thresholds: start, f1: -1, each: [] };
  const tried = new Map<string, number>();
  try {
    for (const [name, values] of sweep) {
      const base = best.thresholds;
      for (const value of values) {
        const thresholds = { ...base, [name]: value };
        const key = JSON.stringify([thresholds.box, thresholds.iou, thresholds.mask, thresholds.sameCell]);
        if (tried.has(key)) continue;
        const segmenter = new CellSegmenter(model, options, thresholds, engine);
        const each: number[] = [];
        for (const [done, { image, truth }] of images.entries()) {
          await hearSignals(context.signal);
          each.push(f1AtHalf(truth, (await segmenter.segment(image)).labels));
          // Later settings use what is remembered of the first.
          if (trials.length === 0) context.emit(looked(done, images.length, 'finding thresholds'));
        }
        const f1 = each.reduce((sum, v) => sum + v, 0) / Math.max(1, each.length);
        tried.set(key, f1);
        trials.push({ thresholds, f1 });
        if (f1 > best.f1 + 1e-9) best = { thresholds, f1, each };
      }
    }
  } finally {
    engine.dispose();
  }
  return { ...best, trials };
}
