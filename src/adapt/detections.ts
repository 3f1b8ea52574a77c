import { hearSignals } from '../core/events.js';
import { Random } from '../core/random.js';
import { type PixelScale, toBatch } from '../data/batches.js';
import { boxCounts } from '../evaluate/metrics/boxCounts.js';
import { type Counts, f1 } from '../evaluate/metrics/metrics.js';
import { takeBoxes } from '../image/boxes.js';
import type { CellSam } from '../models/cellsam.js';
import type { Detection } from '../models/types.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import { boxThreshold, type Thresholds } from '../segment/thresholds.js';
import type { AnnotatedField } from './annotated.js';
import { type FixedView, fixedViews } from './views.js';

/** Tiles that the network sees at once. */
const BATCH = 4;
/** Tiles of all fields of a fold together, at most. */
const TILES = 36;
/** Gauged sizes of other images are wrong by such shares now and then (docs/adapt.md), and the detector has to bear it. */
const MAGNIFICATIONS = [0.7, 1, 1.4] as const;

/** Tiles of fields about the magnification that the model knows best, as the detector is scored on them. */
export function scoringTiles(
  model: CellSam,
  { objectSide }: Thresholds,
  fields: readonly AnnotatedField[],
): FixedView[] {
  const plan = {
    side: model.config.vit.imgSize,
    scales: MAGNIFICATIONS,
    objectSide,
    limit: TILES,
    isUpright: true,
  };
  return fixedViews(fields, plan, new Random('scoring tiles'));
}

/**
 * How well boxes are found: F1 at IoU 0.5 of each field for each box threshold. No mask is decoded, so that a look during
 * learning costs little more than one pass through the encoder; a detector's threshold and length of learning show in it.
 *
 * @returns for each threshold the fields' scores, in the order of their first tile
 */
export async function detectionScores(
  model: CellSam,
  tiles: readonly FixedView[],
  thresholds: Thresholds,
  boxes: readonly number[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const engine = new TensorFlowEngine(model);
  const { pixelMean, pixelStd } = model.config;
  const counts = boxes.map(() => new Map<string, { tp: number; fp: number; fn: number }>());
  for (let at = 0; at < tiles.length; at += BATCH) {
    await hearSignals(signal);
    const some = tiles.slice(at, at + BATCH);
    const batch = toBatch(some, { pixelMean, pixelStd } as PixelScale);
    const embedding = await engine.encode(batch.images, some.length);
    try {
      const found = await engine.detect(embedding, thresholds.sameCell);
      for (const [b, { id }] of some.entries()) {
        const [from, to] = [batch.offsets[b] as number, batch.offsets[b + 1] as number];
        const truth = { count: to - from, xyxy: batch.boxes.slice(4 * from, 4 * to) };
        for (const [k, box] of boxes.entries()) {
          const limits = { ...thresholds, box };
          const predicted = above(found[b] as Detection, limits, engine.hasDynamicThreshold);
          add(counts[k] as Map<string, Counts>, id, boxCounts(truth, predicted));
        }
      }
    } finally {
      engine.release(embedding);
    }
  }
  return counts.map((own) => [...own.values()].map(f1));
}

function above({ boxes, scores }: Detection, thresholds: Thresholds, isDynamic: boolean) {
  const limit = isDynamic ? boxThreshold(scores, thresholds) : thresholds.box;
  return takeBoxes(
    boxes,
    [...scores.keys()].filter((i) => (scores[i] as number) > limit),
  );
}

function add(sums: Map<string, Counts>, id: string, own: Counts): void {
  const { tp, fp, fn } = sums.get(id) ?? { tp: 0, fp: 0, fn: 0 };
  sums.set(id, { tp: tp + own.tp, fp: fp + own.fp, fn: fn + own.fn });
}
