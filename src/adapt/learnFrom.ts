import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import { augmentOptions } from '../data/transforms/augment.js';
import { tf } from '../tf/index.js';
import type { Hook } from '../train/trainer.js';
import type { Factors } from '../weights/lowRank.js';
import type { AnnotatedField } from './annotated.js';
import { boundaryOf } from './boundary.js';
import { type LearnRequest, learn } from './learn.js';
import type { RoundRequest } from './request.js';
import { shareOf, shrinkTowards, shrunkFactors } from './shrink.js';
import type { Trained } from './trained.js';
import { fixedViews } from './views.js';

/** Weights that boxes alone teach nothing. */
const MASKS_ONLY = /mask_decoder\.|image_encoder\.neck\./;

/** Learning from fields with all that the options say; what is learnt from few images is taken over in part. */
export async function learnFrom(
  request: RoundRequest,
  fields: readonly AnnotatedField[],
  trained: Trained,
  extra: Pick<LearnRequest, 'milliseconds' | 'random' | 'look' | 'until'>,
  context: JobContext,
): Promise<{ readonly steps: number; readonly factors: ReadonlyMap<string, Factors> }> {
  const { model, options, cache, graphs, thresholds } = request;
  const plan = {
    side: model.config.vit.imgSize,
    scales: options.scales,
    objectSide: thresholds.objectSide,
    limit: options.views,
    augment: options.augment ? augmentOptions.parse({}) : undefined,
  };
  // The same views in every round: their features are computed once.
  const views = fixedViews(fields, plan, new Random(options.seed).split('views'));
  const hasMasks = views.every((view) => view.boxesOnly === undefined);
  const learnt = (names: readonly string[]) => (hasMasks ? names : names.filter((n) => !MASKS_ONLY.test(n)));
  const [names, adapted] = [learnt(trained.names), learnt(trained.adapted)];
  const all = [...names, ...adapted];
  const before = new Map(all.map((name) => [name, model.parameters.get(name).clone()]));
  // In every round as in the end, so that thresholds found in them fit. Masks are learnt where they are poor: then there is
  // nothing to stay near to (phase contrast: F1 0.158 in part).
  const taken = trained.usesMasks ? 1 : shareOf(request.fields.length);
  const { look = { at: [], run: async () => undefined } } = extra;
  const shrunk = {
    at: look.at,
    run: (share: number) => {
      shrinkTowards(model, before, taken);
      return look.run(share);
    },
  };
  try {
    const learnt = await learn({
      model,
      views,
      trained: names,
      lowRank: { names: adapted, rank: trained.rank },
      usesMasks: hasMasks && trained.usesMasks,
      boundary: boundaryOf(model, all, hasMasks && trained.usesMasks),
      cache,
      graphs,
      steps: options.steps,
      batchSize: options.batchSize,
      learningRate: options.learningRate,
      hooks: [progressHook(options.steps, context)],
      signal: context.signal,
      ...extra,
      look: shrunk,
    });
    shrinkTowards(model, before, taken);
    return { steps: learnt.steps, factors: shrunkFactors(learnt.factors, taken) };
  } finally {
    tf.dispose([...before.values()]);
  }
}

function progressHook(total: number, { emit }: JobContext): Hook {
  return {
    onStep: async ({ step, loss }) => {
      const detail = `learning, loss ${loss.toFixed(3)}`;
      emit({ kind: 'progress', done: step, total, unit: 'steps', detail });
      return undefined;
    },
  };
}
