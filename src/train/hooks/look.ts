import { join } from 'node:path';
import { type JobContext, silent } from '../../core/events.js';
import { makeFolder, writeFileAtomic } from '../../core/files.js';
import type { PreparedField } from '../../data/prepared.js';
import { plainThresholds } from '../../evaluate/calibrate.js';
import { annotated, scoreFields } from '../../evaluate/scoreFields.js';
import { overlay } from '../../image/draw.js';
import { writePng } from '../../io/png.js';
import type { CellSam } from '../../models/cellsam.js';
import { CellSegmenter } from '../../segment/cellSegmenter.js';
import { SMALLEST_CELL } from '../../segment/options.js';
import type { StoredThresholds } from '../../weights/modelFile.js';
import type { Standing } from '../checkpoint.js';
import type { Stage } from '../stages/stage.js';
import type { Hook } from '../trainer.js';
import { validate } from '../validate.js';
import { appendMetrics } from './log.js';

/** A picture of found cells: `[H, W, 3]` bytes. */
export interface Preview {
  readonly id: string;
  readonly height: number;
  readonly width: number;
  readonly rgb: Uint8Array;
}

export interface LookParts {
  readonly folder: string;
  readonly model: CellSam;
  readonly stage: Stage;
  readonly validation: readonly PreparedField[];
  /** Median side in px of the objects in training views, where they are brought to one. */
  readonly objectSide?: number | undefined;
  /** Validation images that are drawn at each look. */
  readonly previews: number;
  readonly standing: () => Standing;
  readonly update: (standing: Standing) => void;
  /** Called with the averaged weights in the model when this look is the best. */
  readonly keep: (thresholds: StoredThresholds, step: number) => Promise<void>;
  readonly context: JobContext;
}

/** A look at the validation part: F1 with the best thresholds, a line in the log, pictures, the best model's file. */
export async function look(
  step: number,
  parts: LookParts,
): Promise<{ readonly f1: number; readonly previews: readonly Preview[] }> {
  const { folder, model, stage, validation, context } = parts;
  const base = { ...plainThresholds(0.4), objectSide: parts.objectSide };
  const found = await validate(model, stage, validation.map(annotated), base, context);
  const before = parts.standing();
  const isBest = before.lastLook === 0 || found.f1 > before.best.f1;
  const change = isBest ? 'the best so far' : `best ${before.best.f1.toFixed(3)} at step ${before.best.step}`;
  context.emit({
    kind: 'note',
    message: `step ${step}: F1 of ${found.measure} ${found.f1.toFixed(3)} on ${validation.length} validation images (box threshold ${found.thresholds.box}), ${change}`,
  });
  const previews = await drawPreviews(step, parts, found.thresholds);
  if (isBest) await parts.keep(found.thresholds, step);
  await appendMetrics(folder, { step, validationF1: found.f1, boxThreshold: found.thresholds.box });
  parts.update({
    best: isBest ? { f1: found.f1, thresholds: found.thresholds, step } : before.best,
    lastLook: step,
    looksWithoutGain: isBest ? 0 : before.looksWithoutGain + 1,
  });
  return { f1: found.f1, previews };
}

async function drawPreviews(
  step: number,
  { folder, model, validation, previews, context }: LookParts,
  thresholds: StoredThresholds,
): Promise<Preview[]> {
  if (previews === 0) return [];
  const segmenter = new CellSegmenter(model, { minSize: SMALLEST_CELL }, thresholds);
  const scores = await scoreFields(segmenter, validation.slice(0, previews), { ...context, emit: silent });
  await makeFolder(join(folder, 'previews'));
  const drawn: Preview[] = [];
  for (const [i, { id, image, predicted }] of scores.entries()) {
    const { height, width } = predicted;
    const rgb = overlay(image, predicted);
    const name = `step-${String(step).padStart(8, '0')}-${i}.png`;
    await writeFileAtomic(
      join(folder, 'previews', name),
      await writePng({ height, width, data: rgb, channels: 3 }),
    );
    drawn.push({ id, height, width, rgb });
  }
  return drawn;
}

/** Looks every so many steps and at the last one; stops the run after `patience` looks without a better one. */
export function lookHook(
  isDue: (step: number) => boolean,
  patience: number,
  standing: () => Standing,
  work: (step: number) => Promise<void>,
): Hook {
  return {
    onStep: async ({ step }) => {
      if (!isDue(step)) return undefined;
      await work(step);
      return stopReason(standing(), patience);
    },
  };
}

/** Why a run should stop early, or undefined; patience 0 never stops. */
export function stopReason({ looksWithoutGain, best }: Standing, patience: number): string | undefined {
  if (patience === 0 || looksWithoutGain < patience) return undefined;
  return `${looksWithoutGain} looks at the validation part were not better than F1 ${best.f1.toFixed(3)} at step ${best.step}`;
}
