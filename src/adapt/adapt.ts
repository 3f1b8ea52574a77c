import { DataError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import type { CellSam } from '../models/cellsam.js';
import type { Thresholds } from '../segment/thresholds.js';
import { tf } from '../tf/index.js';
import type { Hook } from '../train/trainer.js';
import type { AnnotatedField } from './annotated.js';
import { boundaryOf } from './boundary.js';
import { type Decision, decide, type Gain, gainOf } from './decide.js';
import type { FeatureCache } from './featureCache.js';
import { type Fold, foldsOf } from './folds.js';
import { type LearnRequest, learn } from './learn.js';
import { type AdaptOptions, PARTS } from './options.js';
import { type AdaptScore, meanOf, scoreAll } from './score.js';
import { fixedViews } from './views.js';

/** Fewer objects than this cannot be learnt from and tested on. */
const LEAST_OBJECTS = 4;
/** Box thresholds that calibration tries. */
const BOX_THRESHOLDS = [0.15, 0.25, 0.35, 0.45] as const;
/** How much dearer scoring is at all of them than at one: the network runs once. */
const LOOK_COST = 1.5;
/** Looks at the held-out fields during a round, evenly spaced. */
const LOOKS = 3;
/** Weights that boxes alone teach nothing. */
const MASKS_ONLY = /mask_decoder\.|image_encoder\.neck\./;
/** Of the time, for everything but reading, writing and what comes late. */
const USED_SHARE = 0.93;

export interface AdaptRequest {
  /** Changed in place; it ends adapted, or as it was when adaptation did not help. */
  readonly model: CellSam;
  /** What adaptation has to beat, where it is not `model` as it comes: the same before its queries were trimmed. */
  readonly rival?: CellSam | undefined;
  readonly thresholds: Thresholds;
  readonly fields: readonly AnnotatedField[];
  readonly options: AdaptOptions;
  readonly cache: FeatureCache;
}

export interface AdaptOutcome {
  readonly decision: Decision;
  readonly gain: Gain;
  /** On held-out pieces, in the same order. */
  readonly before: readonly AdaptScore[];
  readonly after: readonly AdaptScore[];
  readonly thresholds: Thresholds;
  readonly steps: number;
  readonly rounds: number;
  readonly trained: readonly string[];
  readonly seconds: number;
}

/** Scores of one round: of each look, of each threshold, the held-out fields. */
interface Round {
  readonly fold: Fold;
  readonly before: readonly AdaptScore[];
  readonly looks: readonly (readonly (readonly AdaptScore[])[])[];
  /** What the scores before and the last look took. */
  readonly scoringMs: number;
}

interface Choice {
  readonly look: number;
  readonly threshold: number;
}

/**
 * Adapts a model to a few annotated images and proves on held-out ones that it helped: cross-validation by image (by halves
 * of a single image), then one round on everything. How long to train and which threshold to use for a round is chosen on
 * the other rounds only, so that the score after is not flattered.
 *
 * @throws DataError when there are too few objects to learn from and to test on
 */
export async function adapt(request: AdaptRequest, context: JobContext): Promise<AdaptOutcome> {
  const started = performance.now();
  const { model, fields, options } = request;
  const objects = fields.reduce((sum, field) => sum + field.boxes.count, 0);
  if (objects < LEAST_OBJECTS) {
    throw new DataError(
      `${fields.length} ${fields.length === 1 ? 'image' : 'images'} with ${objects} annotated ${objects === 1 ? 'cell' : 'cells'}: at least ${LEAST_OBJECTS} are needed, some to learn from and some to test on`,
      { fix: 'annotate a few more cells; five images with some tens of cells are a good beginning' },
    );
  }
  const random = new Random(options.seed).split('adapt');
  const patterns = options.parts.map((part) => new RegExp(PARTS[part]));
  const trained = model.parameters
    .names()
    .filter((name) => model.parameters.get(name).trainable && patterns.some((p) => p.test(name)));
  const snapshot = new Map(trained.map((name) => [name, model.parameters.get(name).clone()]));
  const restore = () => {
    for (const [name, value] of snapshot) model.parameters.assign(name, value);
  };
  try {
    const folds = foldsOf(fields, options.folds, random.split('folds'));
    if (folds.length < 2) {
      throw new DataError('only one image has annotated cells, and they cannot be divided into two parts', {
        fix: 'annotate a second image, or cells in both halves of this one',
      });
    }
    // The rounds share what is left of the time, the last learning, from everything, has one too.
    const end = started + 1000 * options.budgetSeconds * USED_SHARE;
    const shareOf = (k: number) => (end - performance.now()) / (folds.length - k + 1);
    const rounds: Round[] = [];
    for (const [k, fold] of folds.entries()) {
      const dearest = Math.max(0, ...rounds.map((round) => round.scoringMs));
      if (k >= 2 && shareOf(k) < dearest) {
        context.emit({ kind: 'warning', message: `the time allows ${k} of ${folds.length} rounds` });
        break;
      }
      context.emit({
        kind: 'stage',
        title: `Round ${k + 1} of ${folds.length}: learning from ${fold.learn.length}, testing on ${fold.test.length}`,
      });
      restore();
      rounds.push(await runRound(request, fold, trained, shareOf(k), random.split(`round/${k}`), context));
    }
    const before = rounds.flatMap((round) => round.before);
    const after = rounds.flatMap((round, k) => {
      const choice = bestChoice(rounds.filter((_, i) => i !== k));
      return lookAt(round, choice.look)[choice.threshold] as readonly AdaptScore[];
    });
    const f1s = (scores: readonly AdaptScore[]) => scores.map((score) => score.f1);
    const gain = gainOf(f1s(before), f1s(after), random.split('gain'));
    const decision = decide(gain, meanOf(f1s(after)));
    const best = bestChoice(rounds);
    restore();
    let steps = 0;
    if (decision.isKept) {
      context.emit({
        kind: 'stage',
        title: `It helps (${decision.why}); learning from all ${fields.length}`,
      });
      const stop = Math.round(((best.look + 1) * options.steps) / LOOKS);
      steps = await learnFrom(
        request,
        fields,
        trained,
        end - performance.now(),
        random.split('final'),
        { hooks: [stopAt(stop)] },
        context,
      );
    }
    return {
      decision,
      gain,
      before,
      after,
      thresholds: decision.isKept ? thresholdsWith(request.thresholds, best.threshold) : request.thresholds,
      steps,
      rounds: rounds.length,
      trained,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    tf.dispose([...snapshot.values()]);
  }
}

async function runRound(
  request: AdaptRequest,
  fold: Fold,
  trained: readonly string[],
  milliseconds: number,
  random: Random,
  context: JobContext,
): Promise<Round> {
  const { model, thresholds, options } = request;
  const started = performance.now();
  const [before = []] = await scoreAll(request.rival ?? model, [thresholds], fold.test, context.signal);
  const scoring = performance.now() - started; // tells how dear looking is
  const looks: AdaptScore[][][] = [];
  const look = async () => {
    const settings = BOX_THRESHOLDS.map((_, i) => thresholdsWith(thresholds, i));
    looks.push(await scoreAll(model, settings, fold.test, context.signal));
  };
  const scoringMs = (1 + LOOK_COST) * scoring;
  const learnMs = Math.max(0.1 * milliseconds, milliseconds - scoringMs);
  // Looking several times is a luxury: where it would take half of the time, one look at the end has to do.
  const every = Math.max(1, Math.round(options.steps / LOOKS));
  const looking = LOOKS * LOOK_COST * scoring < learnMs / 2 ? { look: { every, run: look } } : {};
  await learnFrom(request, fold.learn, trained, learnMs, random, looking, context);
  await look();
  return { fold, before, looks, scoringMs };
}

async function learnFrom(
  request: AdaptRequest,
  fields: readonly AnnotatedField[],
  trained: readonly string[],
  milliseconds: number,
  random: Random,
  extra: Pick<LearnRequest, 'look' | 'hooks'>,
  context: JobContext,
): Promise<number> {
  const { model, options, cache } = request;
  const plan = {
    side: model.config.vit.imgSize,
    scales: options.scales,
    objectSide: request.thresholds.objectSide,
    limit: options.views,
  };
  // The same views in every round: their features are computed once.
  const views = fixedViews(fields, plan, new Random(options.seed).split('views'));
  const hasMasks = views.every((view) => view.boxesOnly === undefined);
  const { steps } = await learn({
    model,
    views,
    trained: hasMasks ? trained : trained.filter((name) => !MASKS_ONLY.test(name)),
    boundary: boundaryOf(model, trained, hasMasks),
    cache,
    steps: options.steps,
    batchSize: options.batchSize,
    learningRate: options.learningRate,
    deadline: performance.now() + milliseconds,
    random,
    ...extra,
    hooks: [progressHook(options.steps, context), ...(extra.hooks ?? [])],
    signal: context.signal,
  });
  return steps;
}

function progressHook(total: number, { emit }: JobContext): Hook {
  return {
    onStep: async ({ step, loss }) => {
      emit({
        kind: 'progress',
        done: step,
        total,
        unit: 'steps',
        detail: `learning, loss ${loss.toFixed(3)}`,
      });
      return undefined;
    },
  };
}

const stopAt = (last: number): Hook => ({
  onStep: async ({ step }) => (step >= last ? 'as long as was best on held-out images' : undefined),
});

/** Rounds that ran out of time have fewer looks; their last stands for those that are missing. */
const lookAt = (round: Round, look: number): readonly (readonly AdaptScore[])[] =>
  round.looks[Math.min(look, round.looks.length - 1)] as readonly (readonly AdaptScore[])[];

/** Length of training and threshold with the best mean F1 over these rounds. */
function bestChoice(rounds: readonly Round[]): Choice {
  const most = Math.max(...rounds.map((round) => round.looks.length));
  let best = { look: 0, threshold: 0, f1: -1 };
  for (let look = 0; look < most; look++) {
    for (const [threshold] of BOX_THRESHOLDS.entries()) {
      const scores = rounds.flatMap((round) => lookAt(round, look)[threshold] ?? []);
      const f1 = meanOf(scores.map((score) => score.f1));
      if (f1 > best.f1) best = { look, threshold, f1 };
    }
  }
  return best;
}

const thresholdsWith = (thresholds: Thresholds, i: number): Thresholds => ({
  ...thresholds,
  box: BOX_THRESHOLDS[i] as number,
});
