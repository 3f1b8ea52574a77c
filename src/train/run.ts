import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import { batchAt, type PreparedField } from '../data/batches.js';
import type { ViewOptions } from '../data/transforms/view.js';
import { calibrate, plainThresholds } from '../evaluate/scoreFields.js';
import { CellSam } from '../models/cellsam.js';
import type { ModelConfig } from '../models/options.js';
import { saveModelFile } from '../weights/modelFile.js';
import { type Checkpoint, saveCheckpoint } from './checkpoint.js';
import { everyHook } from './hooks/every.js';
import { logHook } from './hooks/log.js';
import { AdamW } from './optimiser/adamw.js';
import { WeightAverage } from './optimiser/average.js';
import type { TrainOptions } from './options.js';
import { learningRates, weightDecays } from './schedule.js';
import { lossOptions } from './stages/options.js';
import { stageLoss } from './stages/stage.js';
import { trainedNames } from './trainable.js';
import type { Progress, TrainerParts } from './trainer.js';

export interface RunRequest {
  readonly folder: string;
  readonly options: TrainOptions;
  /** How views are cut from the fields. */
  readonly view: Omit<ViewOptions, 'side'>;
  /** For the model's card. */
  readonly dataset: string;
  readonly fields: readonly PreparedField[];
  readonly validation: readonly PreparedField[];
  /** The newest checkpoint when the run goes on. */
  readonly saved: Checkpoint | undefined;
  /** Makes the model of a run that begins. */
  readonly start: () => Promise<CellSam>;
}

type Triple = readonly [number, number, number];

/** Puts together everything that `train` needs, fresh or as a checkpoint left it. */
export async function startRun(request: RunRequest, context: JobContext) {
  const { folder, options, saved } = request;
  const random = new Random(options.seed);
  const model = saved === undefined ? await request.start() : CellSam.fromArrays(saved.config, saved.weights);
  const { config, parameters } = model;
  const trained = trainedNames(model, options);
  const optimiser = new AdamW(parameters, {
    betas: options.betas as [number, number],
    eps: 1e-8,
    weightDecay: weightDecays(options, (name) => parameters.get(name).rank),
  });
  const average =
    options.averageDecay > 0 ? new WeightAverage(parameters, trained, options.averageDecay) : undefined;
  const progress: Progress = { step: 0, cursor: { epoch: 0, position: 0, random: [] } };
  const best = { f1: -1, thresholds: plainThresholds(0.4) };
  if (saved !== undefined) {
    Object.assign(progress, saved.progress);
    optimiser.restore(saved.optimiser);
    average?.restore(saved.average);
    Object.assign(best, saved.best);
  }
  const maxSteps = stepsOf(options, request.fields.length);

  const checkpoint = () =>
    saveCheckpoint(
      join(folder, 'checkpoints'),
      {
        progress,
        best,
        config,
        weights: model.toArrays(),
        optimiser: optimiser.save(),
        average: average?.save() ?? new Map(),
      },
      options.keepCheckpoints,
    );
  const look = async () => {
    const found = await calibrate(model, request.validation, context);
    context.emit({
      kind: 'note',
      message: `step ${progress.step}: F1 ${found.f1.toFixed(3)} on ${request.validation.length} validation images (box threshold ${found.thresholds.box})`,
    });
    await appendFile(
      join(folder, 'metrics.jsonl'),
      `${JSON.stringify({ step: progress.step, validationF1: found.f1, boxThreshold: found.thresholds.box })}\n`,
    );
    if (found.f1 < best.f1) return;
    Object.assign(best, found);
    const card = {
      config,
      thresholds: found.thresholds,
      training: `${progress.step} steps of stage ${options.stage} on ${request.dataset}`,
      licence: 'Apache-2.0',
    };
    await saveModelFile(join(folder, 'model.safetensors'), model.toArrays(), card);
  };
  const evaluate = () => (average === undefined ? look() : average.during(look));
  const stage = lossOptions(options, trained);
  const parts: TrainerParts = {
    parameters,
    trained,
    optimiser,
    average,
    batch: (cursor) =>
      batchAt(request.fields, cursor, options.batchSize, viewOf(config, request), random.split('data')),
    loss: (batch, own) => stageLoss(model, batch, stage, own),
    rates: await learningRates(options),
    clipNorm: options.clipNorm,
    accumulate: options.accumulate,
    maxSteps,
    random: random.split('steps'),
    hooks: [
      logHook(folder, maxSteps, context),
      everyHook(options.evaluateEvery, maxSteps, evaluate),
      everyHook(options.checkpointEvery, maxSteps, checkpoint),
    ],
    signal: context.signal,
  };
  const dispose = () => {
    optimiser.dispose();
    average?.dispose();
    model.dispose();
  };
  return { progress, parts, best, checkpoint, evaluate, dispose };
}

/** Steps of a run; with `maxEpochs`, whole passes over `images` as the loader makes them. */
export function stepsOf(options: TrainOptions, images: number): number {
  if (options.maxEpochs === undefined) return options.maxSteps;
  const batches = Math.max(1, Math.floor(images / options.batchSize));
  return Math.max(1, Math.ceil((options.maxEpochs * batches) / options.accumulate));
}

function viewOf(config: ModelConfig, { view }: RunRequest) {
  return {
    side: config.vit.imgSize,
    ...view,
    pixelMean: config.pixelMean as Triple,
    pixelStd: config.pixelStd as Triple,
  };
}
