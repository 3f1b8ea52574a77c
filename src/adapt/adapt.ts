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
/** Of the time: what all learning may take; the rest is for scoring, which is measured before. */
const LEARNING_SHARE = 0.9;

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
      `${fields.length} ${fields.length === 1 ? 'image' : 'images'} with ${objects} annotated cells: at least ${LEAST_OBJECTS} are needed, some to learn from and some to test on`,
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
    const plan = await timePlan(request, folds, started, context);
    const rounds: Round[] = [];
    for (const [k, { fold, before }] of plan.folds.entries()) {
      context.emit({
        kind: 'stage',
        title: `Round ${k + 1} of ${folds.length}: learning from ${fold.learn.length}, testing on ${fold.test.length}`,
      });
      restore();
      rounds.push(await runRound(request, fold, before, trained, plan, random.split(`round/${k}`), context));
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
        plan.learnMs,
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

/** Time of each learning, and the scores before, whose time says how dear looking is. */
async function timePlan(request: AdaptRequest, folds: readonly Fold[], started: number, context: JobContext) {
  const { thresholds, options } = request;
  const model = request.rival ?? request.model;
  const scored: { fold: Fold; before: readonly AdaptScore[] }[] = [];
  const begun = performance.now();
  for (const fold of folds) {
    scored.push({ fold, before: (await scoreAll(model, [thresholds], fold.test, context.signal))[0] ?? [] });
    context.emit({
      kind: 'progress',
      done: scored.length,
      total: folds.length,
      unit: 'parts',
      detail: 'scoring before',
    });
  }
  const scoring = performance.now() - begun;
  const left = started + 1000 * options.budgetSeconds * LEARNING_SHARE - performance.now();
  // Looking several times at every threshold is a luxury: where it would take half of the time, one look has to do.
  const look = LOOK_COST * scoring;
  const looks = LOOKS * look < left / 2 ? LOOKS : 1;
  return { folds: scored, looks, learnMs: Math.max(0.2 * left, left - look) / (folds.length + 1) };
}

async function runRound(
  request: AdaptRequest,
  fold: Fold,
  before: readonly AdaptScore[],
  trained: readonly string[],
  plan: { readonly looks: number; readonly learnMs: number },
  random: Random,
  context: JobContext,
): Promise<Round> {
  const looks: AdaptScore[][][] = [];
  const look = async () => {
    const settings = BOX_THRESHOLDS.map((_, i) => thresholdsWith(request.thresholds, i));
    looks.push(await scoreAll(request.model, settings, fold.test, context.signal));
  };
  const every = Math.max(1, Math.round(request.options.steps / LOOKS));
  const looking = plan.looks === 1 ? {} : { look: { every, run: look } };
  await learnFrom(request, fold.learn, trained, plan.learnMs, random, looking, context);
  await look();
  return { fold, before, looks };
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
