import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { DataError, Interrupted, NumericError, reason } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { writeFileAtomic } from '../core/files.js';
import { Random } from '../core/random.js';
import { type Dataset, openDataset } from '../data/dataset.js';
import { type Loader, type LoaderRequest, openLoader } from '../data/loader/loader.js';
import { DATA_PATHS, dataOptions, namesOfSets } from '../data/options.js';
import { type PreparedField, prepareFields } from '../data/prepared.js';
import { centralFields } from '../evaluate/scoreFields.js';
import type { ModelConfig } from '../models/options.js';
import { backendInfo, requireTraining } from '../tf/index.js';
import { type Checkpoint, listCheckpoints, loadNewestCheckpoint } from '../train/checkpoint.js';
import { initDetailsOf, initOptions, trainOptions } from '../train/options.js';
import { type Run, startRun } from '../train/run.js';
import { claimFolder, writeEnvironment, writeStatus } from '../train/runFolder.js';
import { initPath, startModel } from '../train/startModel.js';
import { trainedImagesOf } from '../weights/modelFile.js';
import { NO_IMAGES } from '../weights/trainedImages.js';
import { modelConfig, modelSection } from './modelSection.js';

/** A training run: one YAML file. */
export const trainJobOptions = z.strictObject({
  data: dataOptions.describe('annotated images'),
  model: modelSection.prefault({}).describe('what is trained'),
  init: initOptions,
  train: trainOptions.prefault({}).describe('how it is trained'),
  run: z
    .strictObject({
      folder: z
        .string()
        .default('runs/train')
        .describe(
          'where the run is kept; unlike other paths of this file, relative to the working directory, not to the file',
        ),
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
 * @throws OutputError when the run folder exists and `resume` is false, or another process works in it
 * @throws NumericError when a loss is not finite; the step and its images are in `nonfinite.json`
 */
export async function trainJob(
  job: TrainJob,
  configFolder: string,
  resume: boolean,
  context: JobContext,
): Promise<TrainResult> {
  requireTraining();
  const { folder } = job.run;
  const release = await claimFolder(folder, resume);
  try {
    return await trainIn(folder, job, configFolder, resume, context);
  } finally {
    await release();
  }
}

async function trainIn(
  folder: string,
  job: TrainJob,
  configFolder: string,
  resume: boolean,
  context: JobContext,
): Promise<TrainResult> {
  context.emit({
    kind: 'stage',
    title: `${resume ? 'Going on with' : 'Training'} ${job.model.preset} in ${resolve(folder)}`,
  });
  const saved = resume ? await savedState(folder, context) : undefined;
  const config = saved?.config ?? (await modelConfig(job, configFolder));
  const dataset = await openDataset(job.data, configFolder);
  const samples = await dataset.readSplit('val', context);
  if (samples.length === 0 && dataset.counts.val > 0)
    throw new DataError('no image of the validation part can be used', {
      fix: 'mend the files that were skipped, or divide the images in another way with data.splitSeed',
    });
  const validation = centralFields(prepareFields(samples, job.data.preprocess), config.vit.imgSize);
  const batches = await openLoader(dataset, loaderRequest(job, config), context);
  try {
    return await trainOn(batches, { folder, job, configFolder, config, dataset, validation, saved }, context);
  } finally {
    await batches.close();
  }
}

/** What the loader must know of the model and its training. */
function loaderRequest({ data, train }: TrainJob, config: ModelConfig): LoaderRequest {
  return {
    data,
    side: config.vit.imgSize,
    pixels: { pixelMean: config.pixelMean as Triple, pixelStd: config.pixelStd as Triple },
    batchSize: train.batchSize,
    needs: train.stage === 'detector' ? 'boxes' : 'masks',
    random: new Random(train.seed).split('data'),
  };
}

type Triple = readonly [number, number, number];

interface Prepared {
  readonly folder: string;
  readonly job: TrainJob;
  readonly configFolder: string;
  readonly config: ModelConfig;
  readonly dataset: Dataset;
  readonly validation: readonly PreparedField[];
  readonly saved: Checkpoint | undefined;
}

async function trainOn(
  batches: Loader,
  { folder, job, configFolder, config, dataset, validation, saved }: Prepared,
  context: JobContext,
): Promise<TrainResult> {
  const init = initDetailsOf(job.init);
  const path = initPath(init?.weights ?? '', configFolder);
  const start = async () => ({
    images: init === undefined ? NO_IMAGES : await trainedImagesOf(path),
    model: await startModel(config, init, path, new Random(job.train.seed).split('init'), context),
  });
  const run = await startRun(
    {
      folder,
      options: job.train,
      dataset: namesOfSets(job.data),
      batches,
      validation,
      objectSide: job.data.objectSide,
      saved,
      start,
    },
    context,
  );
  try {
    // Not before the run can begin: a folder with a configuration is a run, and its name is taken.
    await writeEnvironment(folder, { backend: backendInfo(), images: dataset.counts });
    await writeStatus(folder, { state: 'running', step: run.progress.step });
    await writeFileAtomic(join(folder, 'config.yaml'), stringify(job));
    const stopped = await run.go();
    if (stopped !== undefined) context.emit({ kind: 'note', message: `stopped early: ${stopped}` });
    const { best } = run.standing();
    const { step } = run.progress;
    await writeStatus(folder, { state: 'done', step, best, ...(stopped === undefined ? {} : { stopped }) });
    return {
      folder,
      model: join(folder, 'model.safetensors'),
      steps: step,
      images: dataset.counts,
      bestF1: best.f1,
      boxThreshold: best.thresholds.box,
    };
  } catch (thrown) {
    throw await afterFailure(thrown, folder, run, dataset);
  } finally {
    run.dispose();
  }
}

/** Saves what can be saved and says in the folder why the run stopped; gives the error to throw. */
async function afterFailure(thrown: unknown, folder: string, run: Run, dataset: Dataset): Promise<unknown> {
  const { step } = run.progress;
  const best = run.standing().best;
  if (thrown instanceof Interrupted) {
    await run.save();
    await writeStatus(folder, { state: 'stopped', step, best, reason: 'interrupted' });
    return new Interrupted(`stopped after step ${step}; go on with: cellsam train --resume ${folder}`);
  }
  const failure = { state: 'failed', step, best, reason: reason(thrown) };
  // On a full disk the status cannot be written either; the failure itself is what the user must see.
  await writeStatus(folder, failure).catch(() => undefined);
  if (!(thrown instanceof NumericError)) return thrown;
  const path = join(folder, 'nonfinite.json');
  const images = thrown.problems.map(({ where }) => {
    const source = dataset.fields.train.find(({ id }) => id === where)?.source;
    return source !== undefined && 'ref' in source
      ? { id: where, files: source.ref.files.map((file) => join(source.root, file)) }
      : { id: where };
  });
  await writeFileAtomic(path, JSON.stringify({ step: step + 1, message: thrown.message, images }, null, 2));
  return new NumericError(thrown.message, {
    problems: thrown.problems,
    fix: `${thrown.fix}; their names are in ${path}`,
    cause: thrown,
  });
}

/** The newest checkpoint. A run killed before its first one begins again: everything is seeded, so it ends the same. */
async function savedState(folder: string, { emit }: JobContext): Promise<Checkpoint | undefined> {
  const checkpoints = join(folder, 'checkpoints');
  if ((await listCheckpoints(checkpoints)).length === 0) return undefined;
  return loadNewestCheckpoint(checkpoints, (message, where) => emit({ kind: 'warning', message, where }));
}
