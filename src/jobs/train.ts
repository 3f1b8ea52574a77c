import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ConfigError, Interrupted, OutputError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import { Random } from '../core/random.js';
import { prepareFields } from '../data/batches.js';
import { openDataset } from '../data/dataset.js';

import { DATA_PATHS, dataOptions, namesOfSets } from '../data/options.js';
import { centralFields } from '../evaluate/scoreFields.js';
import type { ModelConfig } from '../models/options.js';
import { PRESETS, preset } from '../models/presets.js';
import { requireTraining } from '../tf/index.js';
import { type Checkpoint, listCheckpoints, loadNewestCheckpoint } from '../train/checkpoint.js';
import { initDetailsOf, initOptions, trainOptions } from '../train/options.js';
import { startRun } from '../train/run.js';
import { initPath, startModel } from '../train/startModel.js';
import { train } from '../train/trainer.js';
import { loadModelFile } from '../weights/modelFile.js';

const FROM_INIT = 'init';

/** A training run: one YAML file. */
export const trainJobOptions = z.strictObject({
  data: dataOptions.describe('annotated images'),
  model: z
    .strictObject({
      preset: z
        .enum([FROM_INIT, ...Object.keys(PRESETS)])
        .default('tiny')
        .describe('named size; `init`: as the file of `init` says, which must be ours'),
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
  init: initOptions,
  train: trainOptions.prefault({}).describe('how it is trained'),
  run: z
    .strictObject({
      folder: z
        .string()
        .default('runs/train')
        .describe('where the run is kept, relative to the working directory'),
    })
    .prefault({})
    .describe('where it is kept'),
});

/** Keys of a run's configuration that hold paths; see config/load.ts. */
export const TRAIN_JOB_PATHS: readonly string[] = [
  ...DATA_PATHS.map((key) => `data.${key}`),
  'init',
  'init.weights',
];

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
 * @param configFolder what `data.root` and `init` are relative to
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
  const saved = resume ? await savedState(folder, context) : undefined;
  const config = saved?.config ?? (await modelConfig(job, configFolder));
  const dataset = await openDataset(job.data, configFolder);
  const fields = prepareFields(await dataset.readSplit('train', context));
  const validation = centralFields(
    prepareFields(await dataset.readSplit('val', context)),
    config.vit.imgSize,
  );
  if (fields.length === 0)
    throw new ConfigError('the training part has no image with masks', { where: 'data' });
  await writeFileAtomic(join(folder, 'config.yaml'), stringify(job));

  const init = initDetailsOf(job.init);
  const path = initPath(init?.weights ?? '', configFolder);
  const start = () => startModel(config, init, path, new Random(job.train.seed).split('init'), context);
  const run = await startRun(
    {
      folder,
      options: job.train,
      view: {
        scale: job.data.scale as [number, number],
        objectSide: job.data.objectSide,
        repeatInverted: job.data.repeatInverted,
      },
      dataset: namesOfSets(job.data),
      fields,
      validation,
      saved,
      start,
    },
    context,
  );
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

/** The newest checkpoint. A run killed before its first one begins again: everything is seeded, so it ends the same. */
async function savedState(folder: string, { emit }: JobContext): Promise<Checkpoint | undefined> {
  const checkpoints = join(folder, 'checkpoints');
  if ((await listCheckpoints(checkpoints)).length === 0) return undefined;
  return loadNewestCheckpoint(checkpoints, (message, where) => emit({ kind: 'warning', message, where }));
}

/** The sizes that a job asks for. @param configFolder what `init` is relative to */
export async function modelConfig(job: TrainJob, configFolder: string): Promise<ModelConfig> {
  const base =
    job.model.preset === FROM_INIT ? await configOfInit(job, configFolder) : preset(job.model.preset);
  return job.model.imgSize === undefined
    ? base
    : { ...base, vit: { ...base.vit, imgSize: job.model.imgSize } };
}

async function configOfInit(job: TrainJob, configFolder: string): Promise<ModelConfig> {
  const init = initDetailsOf(job.init);
  if (init === undefined)
    throw new ConfigError('model.preset is `init`, and there is no `init`', { where: 'model.preset' });
  const { model, card } = await loadModelFile(initPath(init.weights, configFolder));
  model.dispose();
  return card.config;
}
