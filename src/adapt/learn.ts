import type { Random } from '../core/random.js';
import { type PixelScale, toBatch } from '../data/batches.js';
import type { Batch, Cursor } from '../data/sample.js';
import type { CellSam } from '../models/cellsam.js';
import type { ModelConfig } from '../models/options.js';
import { tf } from '../tf/index.js';
import { type GradientOptions, gradientOptions } from '../train/gradients.js';
import { averageHook } from '../train/hooks/average.js';
import type { Average } from '../train/optimiser/average.js';
import { LowRankAdapters } from '../train/optimiser/lowRank.js';
import { trainOptions } from '../train/options.js';
import type { PartGraphs } from '../train/partGraphs.js';
import { weightDecays } from '../train/schedule.js';
import { lossOptions } from '../train/stages/options.js';
import { lossFrom, stageLoss } from '../train/stages/stage.js';
import { type Hook, type Progress, train } from '../train/trainer.js';
import type { Factors } from '../weights/lowRank.js';
import { type Boundary, featuresOf, inputsFrom, type ViewFeatures } from './boundary.js';
import { type Clock, clockOf } from './clock.js';
import type { FeatureCache } from './featureCache.js';
import { batchOf } from './viewBatches.js';
import type { FixedView } from './views.js';

/** Objects of a view that prompt the mask decoder in a step: the decoder is dear, and the views come back. */
const PROMPTS = 3;

export interface LearnRequest {
  readonly model: CellSam;
  readonly views: readonly FixedView[];
  /** Names of the weights that are trained in full. */
  readonly trained: readonly string[];
  /** Names of those that change by low-rank adapters; none when absent. */
  readonly lowRank?: { readonly names: readonly string[]; readonly rank: number };
  /** Whether masks are learnt; where views have them, when absent. */
  readonly usesMasks?: boolean;
  /** Undefined when the ViT is trained too; then nothing is kept and every step runs the whole model. */
  readonly boundary: Boundary | undefined;
  readonly cache: FeatureCache;
  /** Runs what it can of the model as graphs of TensorFlow's; shared by all learning of one model. */
  readonly graphs?: PartGraphs | undefined;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Time for learning; the schedule is shortened to fit. What looks take does not count. */
  readonly milliseconds: number;
  /** Share of the schedule after which learning stops; all of it when absent. */
  readonly until?: number;
  readonly random: Random;
  readonly hooks?: readonly Hook[];
  /** Done at these shares of the schedule, rising and below 1, with the averaged weights in the model. */
  readonly look?: { readonly at: readonly number[]; readonly run: (share: number) => Promise<void> };
  readonly signal?: AbortSignal | undefined;
}

export interface Learnt {
  readonly steps: number;
  readonly losses: readonly number[];
  /** Of the low-rank adapters, by the weight's name. */
  readonly factors: ReadonlyMap<string, Factors>;
}

/**
 * Trains what lies behind the boundary on features that are computed once for each view, with the loop, losses and optimiser
 * of full training. The model ends with the running average of its weights.
 */
export async function learn(request: LearnRequest): Promise<Learnt> {
  const { model, views, boundary, batchSize, random, lowRank = { names: [], rank: 1 } } = request;
  const { usesMasks = views.every((view) => view.boxesOnly === undefined) } = request;
  const trained = [...request.trained, ...lowRank.names];
  const options = trainOptions.parse({
    stage: usesMasks ? 'joint' : 'detector',
    batchSize,
    weightDecay: 0.01,
    promptsPerImage: PROMPTS,
  });
  const adapters = new LowRankAdapters(
    model.parameters,
    lowRank.names,
    lowRank.rank,
    random.split('adapters'),
  );
  const optimiser = adapters.optimiser({
    betas: options.betas as [number, number],
    eps: 1e-8,
    weightDecay: weightDecays(options, (name) => model.parameters.get(name).rank),
  });
  const average = adapters.average(request.trained, options.averageDecay);
  const progress: Progress = { step: 0, cursor: { epoch: 0, position: 0, random: [] } };
  const stage = lossOptions(options, trained);
  const side = model.config.vit.imgSize;
  const clock = clockOf(request);
  const { pixelMean, pixelStd } = model.config;
  const scale = { pixelMean, pixelStd } as PixelScale;
  const losses: number[] = [];
  let held: ViewFeatures | undefined;
  const release = () => {
    if (held !== undefined) tf.dispose(Object.values(held));
    held = undefined;
  };
  const prepare = async (cursor: Cursor): Promise<Batch> => {
    const { batch, chosen } = batchOf(views, cursor, batchSize, scale, random);
    release();
    if (boundary !== undefined) {
      held = await request.cache.batch(
        chosen.map((view) => `${boundary.masks}-${boundary.detector}-${view.key}`),
        (i) => {
          const { images } = toBatch([chosen[i] as FixedView], scale);
          return tf.tidy(() => featuresOf(model, tf.tensor4d(images, [1, side, side, 3]), boundary));
        },
      );
    }
    return batch;
  };
  try {
    await train(progress, {
      parameters: model.parameters,
      trained,
      optimiser,
      batch: prepare,
      loss: (batch, own) =>
        held === undefined || boundary === undefined
          ? stageLoss(model, batch, stage, own)
          : lossFrom(model, inputsFrom(model, held, boundary), batch, stage, own),
      rates: () => {
        const rate = request.learningRate * clock.factor(progress.step);
        return { main: rate, of: () => rate };
      },
      clipNorm: options.clipNorm,
      accumulate: 1,
      gradients: gradientsFor(model.config, boundary, request.graphs),
      maxSteps: request.steps,
      random: random.split('steps'),
      hooks: [
        averageHook(average),
        { onStep: async ({ loss }) => void losses.push(loss) },
        lookHook(request, average, clock),
        {
          onStep: async ({ step }) =>
            clock.share(step) >= (request.until ?? 1) ? 'as long as was wanted' : undefined,
        },
        ...(request.hooks ?? []),
      ],
      signal: request.signal,
    });
    if (progress.step > 0) average.settle();
    return { steps: progress.step, losses, factors: adapters.read() };
  } finally {
    release();
    optimiser.dispose();
    average.dispose();
    adapters.dispose();
  }
}

/** What lies behind kept features keeps its activations; only through a ViT that is trained are large models computed again. */
export function gradientsFor(
  config: ModelConfig,
  boundary: Boundary | undefined,
  graphs?: PartGraphs,
): GradientOptions {
  const { recompute } = gradientOptions({ recompute: 'auto', bfloat16: false }, config);
  return { recompute: recompute && boundary !== undefined ? 'operators' : recompute, runner: graphs };
}

function lookHook({ look }: LearnRequest, average: Average, clock: Clock): Hook {
  let next = 0;
  return {
    onStep: async ({ step }) => {
      const at = look?.at[next];
      if (look === undefined || at === undefined || clock.share(step) < at) return undefined;
      next += 1;
      await clock.outside(() => average.during(() => look.run(at)));
      return undefined;
    },
  };
}
