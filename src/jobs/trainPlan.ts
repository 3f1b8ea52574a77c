import { DataError, reason } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { openDataset } from '../data/dataset.js';
import { namesOfSets } from '../data/options.js';
import { estimateMemory } from '../models/memory.js';
import { summarise } from '../models/summary.js';
import { estimateTime, type TimeEstimate } from '../train/estimateTime.js';
import { gradientOptions } from '../train/gradients.js';
import { stepsOf } from '../train/run.js';
import { learningRates } from '../train/schedule.js';
import { type TrainedPattern, trainedNames, trainedPatterns } from '../train/trainable.js';
import { modelConfig } from './modelSection.js';
import type { TrainJob } from './train.js';

/** Bytes that data, looks, logs and pictures take beside the steps; from `npm run bench -- steps`. */
const BESIDE_STEPS = 400 * 2 ** 20;

/** What a run would do, found without training. */
export interface TrainPlan {
  readonly folder: string;
  readonly dataset: string;
  /** Images of each part; undefined where the dataset is not here. */
  readonly images: Readonly<Record<string, number>> | undefined;
  readonly missing: string | undefined;
  /** Undefined where `maxEpochs` counts images that are not here. */
  readonly steps: number | undefined;
  readonly epochs: number | undefined;
  readonly viewsPerStep: number;
  readonly trained: readonly TrainedPattern[];
  readonly trainedParameters: number;
  readonly parameters: number;
  /** At the first step, in the middle and at the last. */
  readonly learningRate: readonly [number, number, number] | undefined;
  readonly memoryBytes: number;
  readonly time: TimeEstimate;
  readonly totalSeconds: number | undefined;
}

/**
 * Steps, trained weights, memory and time of a run. The dataset is listed, not read, and may be missing.
 *
 * @param folder what `data.root` and `init` are relative to
 * @throws ConfigError for whatever would stop the run at its start
 */
export async function planTraining(job: TrainJob, folder: string, context: JobContext): Promise<TrainPlan> {
  const config = await modelConfig(job, folder);
  const options = job.train;
  const trained = trainedPatterns(config, options);
  const names = trainedNames(config, options);
  const rates = await learningRates(options);
  const listed = await openDataset(job.data, folder).catch((thrown: unknown) => {
    if (!(thrown instanceof DataError)) throw thrown;
    context.emit({ kind: 'warning', message: `the dataset is not here: ${reason(thrown)}` });
    return thrown;
  });
  const images = listed instanceof DataError ? undefined : listed.counts;
  const isCountable = options.maxEpochs === undefined || images !== undefined;
  const steps = isCountable ? stepsOf(options, images?.train ?? 0) : undefined;
  const viewsPerStep = options.batchSize * options.accumulate;
  const epochs = images === undefined ? options.maxEpochs : ((steps ?? 0) * viewsPerStep) / images.train;
  const at = (share: number) => {
    const step = Math.round(share * ((steps ?? 1) - 1));
    const epoch = Math.floor(share * (epochs ?? 0));
    return rates({ step, epoch, maxSteps: steps ?? 1 }).main;
  };
  const time = estimateTime(config, options, names);
  const isTrained = new Set(names);
  const memory = estimateMemory(config, {
    what: options.stage,
    batchSize: options.batchSize,
    prompts: options.promptsPerImage,
    isTrained: (name) => isTrained.has(name),
    recompute: gradientOptions(options, config).recompute,
    hasAverage: options.averageDecay > 0,
  });
  return {
    folder: job.run.folder,
    dataset: namesOfSets(job.data),
    images,
    missing: listed instanceof DataError ? reason(listed) : undefined,
    steps,
    epochs,
    viewsPerStep,
    trained,
    trainedParameters: trained.reduce((sum, { parameters }) => sum + parameters, 0),
    parameters: summarise(config).parameters,
    learningRate: steps === undefined ? undefined : [at(0), at(0.5), at(1)],
    memoryBytes: memory.total + BESIDE_STEPS,
    time,
    totalSeconds: steps === undefined ? undefined : steps * time.secondsPerStep,
  };
}
