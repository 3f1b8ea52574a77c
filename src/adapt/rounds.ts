import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import type { CellSam } from '../models/cellsam.js';
import type { Thresholds } from '../segment/thresholds.js';
import type { Hook } from '../train/trainer.js';
import type { AnnotatedField } from './annotated.js';
import { boundaryOf } from './boundary.js';
import type { FeatureCache } from './featureCache.js';
import type { Fold } from './folds.js';
import { type LearnRequest, learn } from './learn.js';
import type { AdaptOptions } from './options.js';
import { type AdaptScore, meanOf, scoreAll } from './score.js';
import { fixedViews } from './views.js';

/** Box thresholds that calibration tries: the network runs once for all of them. */
const BOX_THRESHOLDS = [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55] as const;
/** Shares of the schedule at which the held-out fields are looked at; where looking is dear, at its end only. */
const LOOKS: readonly number[] = [1 / 3, 2 / 3, 1];
/** A look after learning may find more cells than the one before it, and take longer. */
const LOOK_GROWTH = 1.2;
/** Weights that boxes alone teach nothing. */
const MASKS_ONLY = /mask_decoder\.|image_encoder\.neck\./;

export interface AdaptRequest {
  /** Changed in place; it ends adapted, or as it was when adaptation did not help. */
  readonly model: CellSam;
  /** What adaptation has to beat, where it is not `model` as it comes: the same before its queries were trimmed. */
  readonly rival?: CellSam | undefined;
  readonly thresholds: Thresholds;
  readonly fields: readonly AnnotatedField[];
  readonly options: AdaptOptions;
  readonly cache: FeatureCache;
  /** When the budget began to run, in ms of `performance.now()`; at the call when absent. */
  readonly started?: number;
}

/** How long to learn, as a share of the schedule, and which box threshold to use. */
export interface Choice {
  readonly share: number;
  readonly box: number;
}

/** Scores of the held-out fields of one round. */
export interface Round {
  readonly before: readonly AdaptScore[];
  /** For each share of the schedule and each box threshold, in the same order in every round. */
  readonly looks: readonly { readonly choice: Choice; readonly scores: readonly AdaptScore[] }[];
  /** Of all looks, in ms. */
  readonly scoringMs: number;
}

/**
 * Learns from one fold and scores what it holds out: before, and at some shares of the schedule at every threshold.
 *
 * @param milliseconds for all of it; looks are planned by what the first one takes
 */
export async function runRound(
  request: AdaptRequest,
  fold: Fold,
  trained: readonly string[],
  milliseconds: number,
  random: Random,
  context: JobContext,
): Promise<Round> {
  const { model, rival, thresholds } = request;
  const looks: Round['looks'][number][] = [];
  let scoringMs = 0;
  const look = async (own: CellSam, share: number): Promise<readonly AdaptScore[]> => {
    const started = performance.now();
    const settings = BOX_THRESHOLDS.map((box) => ({ ...thresholds, box }));
    const [plain = [], ...each] = await scoreAll(own, [thresholds, ...settings], fold.test, context.signal);
    for (const [i, scores] of each.entries())
      looks.push({ choice: { share, box: BOX_THRESHOLDS[i] as number }, scores });
    scoringMs += performance.now() - started;
    return plain;
  };
  const before = await look(rival ?? model, 0);
  if (rival !== undefined) looks.length = 0; // scores of another model
  const left = milliseconds - scoringMs;
  const costOf = (count: number) => count * LOOK_GROWTH * scoringMs;
  const shares = costOf(LOOKS.length) < left / 2 ? LOOKS : LOOKS.slice(-1);
  const learnMs = Math.max(0.1 * milliseconds, left - costOf(shares.length));
  await learnFrom(
    request,
    fold.learn,
    trained,
    {
      milliseconds: learnMs,
      random,
      look: { at: shares.slice(0, -1), run: async (share) => void (await look(model, share)) },
    },
    context,
  );
  await look(model, 1);
  return { before, looks, scoringMs };
}

/** Learning from fields with all that the options say; @returns how many steps it was */
export async function learnFrom(
  request: AdaptRequest,
  fields: readonly AnnotatedField[],
  trained: readonly string[],
  extra: Pick<LearnRequest, 'milliseconds' | 'random' | 'look' | 'until'>,
  context: JobContext,
): Promise<number> {
  const { model, options, cache, thresholds } = request;
  const plan = {
    side: model.config.vit.imgSize,
    scales: options.scales,
    objectSide: thresholds.objectSide,
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
    hooks: [progressHook(options.steps, context)],
    signal: context.signal,
    ...extra,
  });
  return steps;
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

/** Length of learning and threshold with the best mean F1 over rounds, of those that all of them tried. */
export function bestChoice(rounds: readonly Round[]): Choice {
  let best: { readonly choice: Choice; readonly f1: number } | undefined;
  for (const { choice } of rounds[0]?.looks ?? []) {
    const scores = rounds.map((round) => scoresAt(round, choice));
    if (scores.some((own) => own === undefined)) continue;
    const f1 = meanOf(scores.flatMap((own) => (own ?? []).map((score) => score.f1)));
    if (best === undefined || f1 > best.f1) best = { choice, f1 };
  }
  return best?.choice ?? { share: 1, box: BOX_THRESHOLDS[0] };
}

/** Undefined where a round did not look at that share. */
export const scoresAt = (round: Round, { share, box }: Choice): readonly AdaptScore[] | undefined =>
  round.looks.find(({ choice }) => choice.share === share && choice.box === box)?.scores;
