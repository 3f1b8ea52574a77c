import { join } from 'node:path';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import type { Loader } from '../data/loader/loader.js';
import type { PreparedField } from '../data/prepared.js';
import { plainThresholds } from '../evaluate/calibrate.js';
import { CellSam } from '../models/cellsam.js';
import { saveModelFile } from '../weights/modelFile.js';
import { type TrainedImages, UNKNOWN_IMAGES, withImages } from '../weights/trainedImages.js';
import { type Checkpoint, type Standing, saveCheckpoint } from './checkpoint.js';
import { gradientOptions } from './gradients.js';
import { averageHook } from './hooks/average.js';
import { checkpointHook } from './hooks/checkpoint.js';
import { logHook } from './hooks/log.js';
import { type LookParts, look, lookHook, stopReason } from './hooks/look.js';
import { TensorBoard, tensorBoardHook } from './hooks/tensorboard.js';
import { writeLossPlot } from './lossPlot.js';
import { AdamW } from './optimiser/adamw.js';
import { WeightAverage } from './optimiser/average.js';
import type { TrainOptions } from './options.js';
import { PartGraphs } from './partGraphs.js';
import { trimMetrics } from './runFolder.js';
import { learningRates, weightDecays } from './schedule.js';
import { lossOptions } from './stages/options.js';
import { stageLoss } from './stages/stage.js';
import { trainedNames } from './trainable.js';
import { type Hook, type Progress, type TrainerParts, train } from './trainer.js';

export interface RunRequest {
  readonly folder: string;
  readonly options: TrainOptions;
  /** For the model's card. */
  readonly dataset: string;
  readonly batches: Pick<Loader, 'length' | 'batchAt'>;
  readonly validation: readonly PreparedField[];
  /** Median side in px of the objects in training views, where they are brought to one. */
  readonly objectSide?: number | undefined;
  /** The newest checkpoint when the run goes on. */
  readonly saved: Checkpoint | undefined;
  /** Makes the model of a run that begins, with the images that its weights have learned from. */
  readonly start: () => Promise<{ readonly model: CellSam; readonly images: TrainedImages }>;
}

/** A run that can go: model, optimiser, hooks and where it stands. */
export interface Run {
  readonly progress: Progress;
  readonly standing: () => Standing;
  /** Trains to the end. @returns why it stopped early, or undefined @throws Interrupted, NumericError as `train` does */
  go(): Promise<string | undefined>;
  /** Writes a checkpoint unless the newest one says the same. */
  save(): Promise<void>;
  dispose(): void;
}

/** Puts together everything that `train` needs, fresh or as a checkpoint left it. */
export async function startRun(request: RunRequest, context: JobContext): Promise<Run> {
  const { folder, options, saved } = request;
  const { model, images } =
    saved === undefined
      ? await request.start()
      : { model: CellSam.fromArrays(saved.config, saved.weights), images: saved.images ?? UNKNOWN_IMAGES };
  const used = new Set<string>();
  const learned = () => withImages(images, used);
  const { config, parameters } = model;
  const graphs = new PartGraphs((message) => context.emit({ kind: 'warning', message }));
  const gradients = { ...gradientOptions(options, config), runner: graphs };
  const trained = trainedNames(config, options);
  const optimiser = new AdamW(parameters, {
    betas: options.betas as [number, number],
    eps: 1e-8,
    weightDecay: weightDecays(options, (name) => parameters.get(name).rank),
  });
  const average =
    options.averageDecay > 0 ? new WeightAverage(parameters, trained, options.averageDecay) : undefined;
  const progress: Progress = { step: 0, cursor: { epoch: 0, position: 0, random: [] } };
  let standing: Standing = saved?.standing ?? {
    best: { f1: -1, thresholds: plainThresholds(0.4), step: 0 },
    lastLook: 0,
    looksWithoutGain: 0,
  };
  if (saved !== undefined) {
    Object.assign(progress, saved.progress);
    optimiser.restore(saved.optimiser);
    average?.restore(saved.average);
  }
  await trimMetrics(folder, progress.step, standing.lastLook);
  const maxSteps = stepsOf(options, request.batches.length);

  const describe = () => `${progress.step}/${standing.lastLook}`;
  let written = saved === undefined ? '' : describe();
  const save = async () => {
    if (written === describe()) return;
    await saveCheckpoint(
      join(folder, 'checkpoints'),
      {
        progress,
        standing,
        images: learned(),
        config,
        weights: model.toArrays(),
        optimiser: optimiser.save(),
        average: average?.save() ?? new Map(),
      },
      options.keepCheckpoints,
    );
    written = describe();
  };

  const board = options.tensorboard ? await TensorBoard.create(folder, progress.step) : undefined;
  const lookParts: LookParts = {
    folder,
    model,
    stage: options.stage,
    validation: request.validation,
    objectSide: request.objectSide,
    previews: options.previews,
    standing: () => standing,
    update: (next) => {
      standing = next;
    },
    keep: (thresholds, step) =>
      saveModelFile(join(folder, 'model.safetensors'), model.toArrays(), {
        config,
        thresholds,
        trainedImages: withImages(
          learned(),
          request.validation.map(({ contentHash }) => contentHash),
        ),
        training: `${step} steps of stage ${options.stage} on ${request.dataset}`,
        licence: 'Apache-2.0',
      }),
    context,
  };
  const isDue = (step: number) => step % options.evaluateEvery === 0 || step === maxSteps;
  const lookNow = async (step: number) => {
    const own = () => look(step, lookParts);
    const { f1, previews } = await (average === undefined ? own() : average.during(own));
    await board?.scalars(step, { validationF1: f1 });
    for (const [i, preview] of previews.entries()) await board?.image(step, `preview/${i}`, preview);
    await writeLossPlot(folder);
  };
  const hooks: Hook[] = [
    ...(average === undefined ? [] : [averageHook(average)]),
    logHook(folder, maxSteps, context),
    ...(board === undefined ? [] : [tensorBoardHook(board)]),
    lookHook(isDue, options.patience, () => standing, lookNow),
    checkpointHook(options.checkpointEvery, (step) => standing.best.step === step, save),
  ];
  const random = new Random(options.seed);
  const stage = lossOptions(options, trained);
  const parts: TrainerParts = {
    parameters,
    trained,
    optimiser,
    batch: async (cursor) => {
      const batch = await request.batches.batchAt(cursor);
      for (const hash of batch.contentHashes ?? []) used.add(hash);
      return batch;
    },
    loss: (batch, own) => stageLoss(model, batch, stage, own),
    rates: await learningRates(options),
    clipNorm: options.clipNorm,
    accumulate: options.accumulate,
    gradients,
    maxSteps,
    random: random.split('steps'),
    hooks,
    signal: context.signal,
  };
  return {
    progress,
    standing: () => standing,
    save,
    go: async () => {
      try {
        // A look that was interrupted is done before the next step.
        if (progress.step > standing.lastLook && isDue(progress.step)) await lookNow(progress.step);
        const reason = stopReason(standing, options.patience) ?? (await train(progress, parts));
        await save();
        return reason;
      } finally {
        await board?.close();
      }
    },
    dispose: () => {
      optimiser.dispose();
      average?.dispose();
      graphs.dispose();
      model.dispose();
    },
  };
}

/** Steps of a run; with `maxEpochs`, whole passes over `images` as the loader makes them. */
export function stepsOf(options: TrainOptions, images: number): number {
  if (options.maxEpochs === undefined) return options.maxSteps;
  const batches = Math.max(1, Math.floor(images / options.batchSize));
  return Math.max(1, Math.ceil((options.maxEpochs * batches) / options.accumulate));
}
