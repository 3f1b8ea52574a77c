import { NumericError } from '../core/errors.js';
import { hearSignals } from '../core/events.js';
import type { Random } from '../core/random.js';
import type { Batch, Cursor } from '../data/sample.js';
import type { Parameters } from '../models/parameters.js';
import { tf } from '../tf/index.js';
import { type GradientOptions, globalNorm, gradientsOf } from './gradients.js';
import type { Optimiser } from './optimiser/adamw.js';
import type { LearningRates } from './schedule.js';
import type { StageLoss } from './stages/stage.js';

/** Where a run stands; all that a resume needs besides weights and optimiser. */
export interface Progress {
  step: number;
  cursor: Cursor;
}

export interface StepReport {
  readonly step: number;
  readonly epoch: number;
  /** Mean over the step's batches, as are its parts. */
  readonly loss: number;
  readonly parts: Readonly<Record<string, number>>;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly images: number;
  readonly seconds: number;
}

/** Something that happens beside training; hooks never touch gradients. */
export interface Hook {
  /** A text that is returned stops the run after this step and says why. */
  onStep(report: StepReport): Promise<string | undefined>;
}

export interface TrainerParts {
  readonly parameters: Parameters;
  readonly trained: readonly string[];
  readonly optimiser: Pick<Optimiser, 'apply'>;
  readonly batch: (cursor: Cursor) => Batch | Promise<Batch>;
  /** The loss of one batch; called inside the gradient's tape. */
  readonly loss: (batch: Batch, random: Random) => StageLoss;
  readonly rates: LearningRates;
  /** Largest global norm of the gradients; 0 for any. */
  readonly clipNorm: number;
  /** Batches whose gradients are averaged in a step. */
  readonly accumulate: number;
  /** Whether blocks are computed again in the backward pass; they are when absent. */
  readonly gradients?: GradientOptions | undefined;
  readonly maxSteps: number;
  readonly random: Random;
  readonly hooks: readonly Hook[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The training loop: batches, loss, gradients, clip, update, hooks. Everything else is a hook.
 *
 * @returns why a hook stopped the run, or undefined when all steps were done
 * @throws NumericError when a loss or gradient is not finite, naming the images of its batches
 * @throws Interrupted when the signal was raised; `progress` then tells where to go on
 */
export async function train(progress: Progress, parts: TrainerParts): Promise<string | undefined> {
  while (progress.step < parts.maxSteps) {
    await hearSignals(parts.signal);
    const reason = await trainStep(progress, parts);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

async function trainStep(progress: Progress, parts: TrainerParts): Promise<string | undefined> {
  const started = performance.now();
  const { step, cursor } = progress;
  const { maxSteps, accumulate, clipNorm } = parts;
  const rates = parts.rates({ step, epoch: cursor.epoch, maxSteps });
  const { loss, detail, grads, batches } = await sumGradients(progress, parts);
  const gradientNorm = globalNorm(grads) / accumulate;
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    tf.dispose([...grads.values()]);
    throw notFinite(step, loss, gradientNorm, batches);
  }
  const clip = clipNorm === 0 ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
  parts.optimiser.apply(grads, rates.of, clip / accumulate);
  tf.dispose([...grads.values()]);
  progress.step = step + 1;
  progress.cursor = (batches.at(-1) as Batch).cursor;
  const report: StepReport = {
    step: progress.step,
    epoch: cursor.epoch,
    loss,
    parts: detail,
    gradientNorm,
    learningRate: rates.main,
    images: batches.reduce((sum, batch) => sum + batch.ids.length, 0),
    seconds: (performance.now() - started) / 1000,
  };
  let reason: string | undefined;
  for (const hook of parts.hooks) reason = (await hook.onStep(report)) ?? reason;
  return reason;
}

/** Gradients of a step's batches, summed; losses as means. The caller owns the gradients. */
async function sumGradients({ step, cursor }: Progress, parts: TrainerParts) {
  const { accumulate } = parts;
  const grads = new Map<string, tf.Tensor>();
  const detail: Record<string, number> = {};
  const batches: Batch[] = [];
  let total = 0;
  for (let k = 0; k < accumulate; k++) {
    const batch = await parts.batch(batches.at(-1)?.cursor ?? cursor);
    batches.push(batch);
    let own: StageLoss['parts'] = {};
    const loss = () => {
      const named = parts.loss(
        batch,
        parts.random.split(k === 0 ? `prompts/${step}` : `prompts/${step}/${k}`),
      );
      own = named.parts;
      return named.total;
    };
    const compute = () => gradientsOf(parts.parameters, parts.trained, loss, parts.gradients);
    let result = compute();
    // What was met for the first time ran in another way: again, so that all steps are alike and a resumed run is the same.
    while ((await parts.gradients?.runner?.ready()) === true) {
      tf.dispose([...result.grads.values()]);
      result = compute();
    }
    total += result.loss / accumulate;
    for (const [name, value] of Object.entries(own)) detail[name] = (detail[name] ?? 0) + value / accumulate;
    for (const [name, gradient] of result.grads) addTo(grads, name, gradient);
    if (!Number.isFinite(total)) break; // the batches so far are the ones to look at
  }
  return { loss: total, detail, grads, batches };
}

/** Adds to a sum; both tensors belong to the map afterwards. */
function addTo(sums: Map<string, tf.Tensor>, name: string, gradient: tf.Tensor): void {
  const before = sums.get(name);
  if (before === undefined) {
    sums.set(name, gradient);
    return;
  }
  sums.set(name, before.add(gradient));
  tf.dispose([before, gradient]);
}

function notFinite(step: number, loss: number, norm: number, batches: readonly Batch[]): NumericError {
  return new NumericError(`step ${step + 1}: the loss is ${loss} and the gradients' norm ${norm}`, {
    problems: batches.flatMap((batch) =>
      batch.ids.map((id) => ({ where: id, message: 'was in this batch' })),
    ),
    fix: 'lower train.learningRate, or look at these images for NaN or extreme values',
  });
}
