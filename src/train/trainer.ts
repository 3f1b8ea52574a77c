import type { Schedule } from '../config/quantities.js';
import { NumericError, throwIfAborted } from '../core/errors.js';
import type { Random } from '../core/random.js';
import type { Batch, Cursor } from '../data/sample.js';
import type { CellSam } from '../models/cellsam.js';
import { tf } from '../tf/index.js';
import { globalNorm, gradientsOf } from './gradients.js';
import type { AdamW } from './optimiser/adamw.js';
import type { WeightAverage } from './optimiser/average.js';
import { type StageLoss, type StageOptions, stageLoss } from './stages/stage.js';

/** Where a run stands; all that a resume needs besides weights and optimiser. */
export interface Progress {
  step: number;
  cursor: Cursor;
}

export interface StepReport {
  readonly step: number;
  readonly loss: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** Something that happens beside training; hooks never touch gradients. */
export interface Hook {
  onStep(report: StepReport): Promise<void>;
}

export interface TrainerParts {
  readonly model: CellSam;
  readonly trained: readonly string[];
  readonly optimiser: AdamW;
  readonly average: WeightAverage | undefined;
  readonly batch: (cursor: Cursor) => Batch;
  readonly stage: StageOptions;
  readonly learningRate: Schedule;
  /** Multiplies the learning rate of a weight. */
  readonly rateFactor: (name: string) => number;
  readonly clipNorm: number;
  readonly maxSteps: number;
  readonly random: Random;
  readonly hooks: readonly Hook[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The training loop: batch, loss, gradients, clip, update, hooks. Everything else is a hook.
 *
 * @throws NumericError when a loss or gradient is not finite, naming the batch's images
 * @throws Interrupted when the signal was raised; `progress` then tells where to go on
 */
export async function train(progress: Progress, parts: TrainerParts): Promise<void> {
  while (progress.step < parts.maxSteps) {
    throwIfAborted(parts.signal);
    const { step, cursor } = progress;
    const batch = parts.batch(cursor);
    const learningRate = parts.learningRate({ step, epoch: cursor.epoch, maxSteps: parts.maxSteps });
    let detail: StageLoss['parts'] = {};
    const { loss, grads } = gradientsOf(parts.model.parameters, parts.trained, () => {
      const named = stageLoss(parts.model, batch, parts.stage, parts.random.split(`prompts/${step}`));
      detail = named.parts;
      return named.total;
    });
    const gradientNorm = globalNorm(grads);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw notFinite(step, loss, gradientNorm, batch);
    const scale = Math.min(1, parts.clipNorm / (gradientNorm + 1e-6));
    parts.optimiser.apply(grads, (name) => learningRate * parts.rateFactor(name), scale);
    tf.dispose([...grads.values()]);
    progress.step = step + 1;
    progress.cursor = batch.cursor;
    parts.average?.update(progress.step);
    for (const hook of parts.hooks)
      await hook.onStep({ step: progress.step, loss, parts: detail, gradientNorm, learningRate });
    await new Promise(setImmediate); // lets Ctrl-C in: every TensorFlow call blocks the event loop
  }
}

function notFinite(step: number, loss: number, norm: number, batch: Batch): NumericError {
  return new NumericError(`step ${step + 1}: the loss is ${loss} and the gradients' norm ${norm}`, {
    problems: batch.ids.map((id) => ({ where: id, message: 'was in this batch' })),
    fix: 'lower train.learningRate, or look at these images for NaN or extreme values',
  });
}
