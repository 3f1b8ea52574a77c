import { appendFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { parseSchedule } from '../config/quantities.js';
import { ConfigError, Interrupted, OutputError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import { Random } from '../core/random.js';
import { batchAt, type PreparedField, prepareFields } from '../data/batches.js';
import { openDataset } from '../data/dataset.js';
import { DATA_PATHS, dataOptions } from '../data/options.js';
import { calibrate, centralFields, plainThresholds } from '../evaluate/scoreFields.js';
import { CellSam } from '../models/cellsam.js';
import { PRESETS, preset } from '../models/presets.js';
import { requireTraining, tf } from '../tf/index.js';
import {
  type Checkpoint,
  listCheckpoints,
  loadNewestCheckpoint,
  saveCheckpoint,
} from '../train/checkpoint.js';
import { everyHook } from '../train/hooks/every.js';
import { logHook } from '../train/hooks/log.js';
import { AdamW } from '../train/optimiser/adamw.js';
import { WeightAverage } from '../train/optimiser/average.js';
import { type TrainOptions, trainOptions } from '../train/options.js';
import { type Progress, train } from '../train/trainer.js';
import { saveModelFile } from '../weights/modelFile.js';

/** A training run: one YAML file. */
export const trainJobOptions = z.strictObject({
  data: dataOptions.describe('annotated images'),
  model: z
    .strictObject({
      preset: z
        .enum(Object.keys(PRESETS) as [string, ...string[]])
        .default('tiny')
        .describe('named size'),
      imgSize: z
        .number()
        .int()
        .positive()
        .multipleOf(64)
        .optional()
        .describe("side of a training view in px; replaces the preset's"),
    })
    .prefault({})
    .describe('what is trained'),
  train: trainOptions.prefault({}).describe('how it is trained'),
  run: z
    .strictObject({
      folder: z
        .string()
        .default('runs/train')
        .describe('where the run is kept, relative to the working directory'),
    })
    .prefault({}),
});

/** Keys of a run's configuration that hold paths; see config/load.ts. */
export const TRAIN_JOB_PATHS: readonly string[] = DATA_PATHS.map((key) => `data.${key}`);

export type TrainJob = z.infer<typeof trainJobOptions>;

export interface TrainResult {
  readonly folder: string;
  readonly model: string;
  readonly steps: number;
  readonly images: Readonly<Record<string, number>>;
  readonly bestF1: number;
  readonly boxThreshold: number;
}

/**
 * Trains a model, or goes on with a run.
 *
 * @param configFolder what `data.root` is relative to
 * @throws OutputError when the run folder exists and `resume` is false
 */
export async function trainJob(
  job: TrainJob,
  configFolder: string,
  resume: boolean,
  context: JobContext,
): Promise<TrainResult> {
  requireTraining();
  const { folder } = job.run;
  await claimFolder(folder, resume);
  context.emit({
    kind: 'stage',
    title: `${resume ? 'Going on with' : 'Training'} ${job.model.preset} in ${folder}`,
  });
  const dataset = await openDataset(job.data, configFolder);
  const fields = prepareFields(await dataset.readSplit('train', context));
  const side = modelConfig(job).vit.imgSize;
  const validation = centralFields(prepareFields(await dataset.readSplit('val', context)), side);
  if (fields.length === 0)
    throw new ConfigError('the training part has no image with masks', { where: 'data' });
  await writeFileAtomic(join(folder, 'config.yaml'), stringify(job));

  const run = await startRun(job, folder, resume, fields, validation, context);
  try {
    await train(run.progress, run.parts);
  } catch (thrown) {
    if (thrown instanceof Interrupted) {
      await run.checkpoint();
      throw new Interrupted(
        `stopped after step ${run.progress.step}; go on with: cellsam train --resume ${folder}`,
      );
    }
    throw thrown;
  }
  await run.evaluate();
  await run.checkpoint();
  await writeFileAtomic(
    join(folder, 'status.json'),
    JSON.stringify({ state: 'done', step: run.progress.step, ...run.best }, null, 2),
  );
  run.dispose();
  return {
    folder,
    model: join(folder, 'model.safetensors'),
    steps: run.progress.step,
    images: dataset.counts,
    bestF1: run.best.f1,
    boxThreshold: run.best.thresholds.box,
  };
}

async function claimFolder(folder: string, resume: boolean): Promise<void> {
  const isThere = await exists(join(folder, 'config.yaml'));
  if (isThere && !resume) {
    throw new OutputError(`the run folder ${folder} exists already`, {
      where: folder,
      fix: `go on with it: --resume ${folder}; or choose another with run.folder=...`,
    });
  }
  if (!isThere && resume)
    throw new OutputError(`there is no run in ${folder}`, { where: folder, fix: 'check the path' });
  await mkdir(join(folder, 'checkpoints'), { recursive: true });
}

async function startRun(
  job: TrainJob,
  folder: string,
  resume: boolean,
  fields: PreparedField[],
  validation: PreparedField[],
  context: JobContext,
) {
  const options = job.train;
  const config = modelConfig(job);
  const random = new Random(options.seed);
  const model = CellSam.create(config, random.split('init'));
  const trained = trainedNames(model, options);
  const optimiser = new AdamW(model.parameters, {
    betas: options.betas as [number, number],
    eps: 1e-8,
    weightDecay: decayOf(model, options),
  });
  const average =
    options.averageDecay > 0 ? new WeightAverage(model.parameters, trained, options.averageDecay) : undefined;
  const progress: Progress = { step: 0, cursor: { epoch: 0, position: 0, random: [] } };
  const best = { f1: -1, thresholds: plainThresholds(0.4) };
  const checkpoints = join(folder, 'checkpoints');
  // A run killed before its first checkpoint has none: everything is seeded, so it begins again and ends the same.
  if (resume && (await listCheckpoints(checkpoints)).length > 0)
    await restore(
      await loadNewestCheckpoint(checkpoints, (message, where) =>
        context.emit({ kind: 'warning', message, where }),
      ),
    );

  async function restore(saved: Checkpoint): Promise<void> {
    Object.assign(progress, saved.progress);
    const loaded = CellSam.fromArrays(config, saved.weights);
    tf.tidy(() => {
      for (const name of model.parameters.names())
        model.parameters.assign(name, loaded.parameters.get(name).add(0));
    });
    loaded.dispose();
    optimiser.restore(saved.optimiser);
    average?.restore(saved.average);
    best.f1 = saved.best ?? -1;
  }
  const checkpoint = () =>
    saveCheckpoint(
      join(folder, 'checkpoints'),
      {
        progress,
        best: best.f1,
        weights: model.toArrays(),
        optimiser: optimiser.save(),
        average: average?.save() ?? new Map(),
      },
      options.keepCheckpoints,
    );
  const evaluate = async () => {
    const look = async () => {
      const found = await calibrate(model, validation, context);
      context.emit({
        kind: 'note',
        message: `step ${progress.step}: F1 ${found.f1.toFixed(3)} on ${validation.length} validation images (box threshold ${found.thresholds.box})`,
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
        training: `${progress.step} steps of stage ${options.stage} on ${job.data.type}`,
        licence: 'Apache-2.0',
      };
      await saveModelFile(join(folder, 'model.safetensors'), model.toArrays(), card);
    };
    await (average === undefined ? look() : average.during(look));
  };
  const view = {
    side: config.vit.imgSize,
    scale: job.data.scale as [number, number],
    pixelMean: config.pixelMean as Triple,
    pixelStd: config.pixelStd as Triple,
  };
  const { learningRate } = options;
  const parts = {
    model,
    trained,
    optimiser,
    average,
    batch: (cursor: Progress['cursor']) =>
      batchAt(fields, cursor, options.batchSize, view, random.split('data')),
    stage: { stage: options.stage, promptsPerImage: options.promptsPerImage, boxJitter: options.boxJitter },
    learningRate:
      typeof learningRate === 'number'
        ? () => learningRate
        : await parseSchedule(learningRate, 'train.learningRate'),
    rateFactor: (name: string) => (name.includes('image_encoder') ? options.vitLearningRateFactor : 1),
    clipNorm: options.clipNorm,
    maxSteps: options.maxSteps,
    random: random.split('steps'),
    hooks: [
      logHook(folder, options.maxSteps, context),
      everyHook(options.evaluateEvery, options.maxSteps, evaluate),
      everyHook(options.checkpointEvery, options.maxSteps, checkpoint),
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

type Triple = readonly [number, number, number];

/** The sizes that a job asks for. */
export function modelConfig(job: TrainJob) {
  const base = preset(job.model.preset);
  return job.model.imgSize === undefined
    ? base
    : { ...base, vit: { ...base.vit, imgSize: job.model.imgSize } };
}

function trainedNames(model: CellSam, options: TrainOptions): string[] {
  const patterns = options.trainable.map((text) => new RegExp(text));
  const names = model.parameters
    .names()
    .filter((name) => model.parameters.get(name).trainable && patterns.some((p) => p.test(name)));
  if (names.length > 0) return names;
  throw new ConfigError('no weight fits train.trainable', {
    where: 'train.trainable',
    fix: 'use patterns of weight names such as `neck` or `mask_decoder`',
  });
}

function decayOf(model: CellSam, options: TrainOptions): (name: string) => number {
  return (name) =>
    options.decayNormsAndBiases || model.parameters.get(name).rank > 1 ? options.weightDecay : 0;
}
