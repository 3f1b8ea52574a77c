import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import { augmentOptions } from '../data/transforms/augment.js';
import type { CellSam } from '../models/cellsam.js';
import type { Thresholds } from '../segment/thresholds.js';
import { tf } from '../tf/index.js';
import type { PartGraphs } from '../train/partGraphs.js';
import type { Hook } from '../train/trainer.js';
import type { Factors } from '../weights/lowRank.js';
import type { AnnotatedField } from './annotated.js';
import { boundaryOf } from './boundary.js';
import { detectionScores, scoringTiles } from './detections.js';
import type { FeatureCache } from './featureCache.js';
import type { Fold } from './folds.js';
import { type LearnRequest, learn } from './learn.js';
import type { AdaptOptions } from './options.js';
import { type AdaptScore, meanOf, scoreAtSizes } from './score.js';
import { shareOf, shrinkTowards, shrunkFactors } from './shrink.js';
import type { Trained } from './trained.js';
import { fixedViews } from './views.js';

/** Box thresholds that calibration tries, beside the one that came with the model. */
const BOX_THRESHOLDS = [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6] as const;
/** Shares of the schedule at which the detector is looked at; where its weights are many, at the end only. */
const LOOKS: readonly number[] = [1 / 3, 2 / 3, 1];
/** Numbers that may be kept of all looks of a round: 128 MiB. */
const MOST_KEPT = 2 ** 25;
/** Scoring after learning may find more cells than before it, and take longer. */
const GROWTH = 1.2;
/** Scoring for all box thresholds takes so much longer than for one: the network runs once for all of them. */
const ALL_THRESHOLDS = 2.4;
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
  /** Scores of the model as it is, kept from one adaptation to the next; added to. */
  readonly known?: Map<string, Known>;
}

/** With what all rounds have in common. */
export type RoundRequest = AdaptRequest & { readonly graphs: PartGraphs };

/** Scores of the model as it is on some fields, and what they took in ms. */
export interface Known {
  readonly scores: readonly AdaptScore[];
  readonly milliseconds: number;
}

/** What one round of cross-validation gives. */
export interface Round {
  readonly test: readonly AnnotatedField[];
  /** As `segment` does it, with masks where there are any. */
  readonly before: readonly AdaptScore[];
  /** How well boxes are found on the held-out fields, for each share of the schedule and each box threshold. */
  readonly looks: readonly {
    readonly share: number;
    readonly box: number;
    readonly f1s: readonly number[];
  }[];
  /** Trained weights at these shares; the caller disposes of them. */
  readonly weights: ReadonlyMap<number, ReadonlyMap<string, tf.Tensor>>;
  /** What scoring the held-out fields once takes, in ms. */
  readonly scoringMs: number;
}

/**
 * Learns from one fold and looks at what it holds out at some shares of the schedule: at boxes only, which is cheap. Masks
 * are scored once before, and once after, when the share has been chosen (`scoreAfter`).
 *
 * @param milliseconds for all of it, the score after included
 */
export async function runRound(
  request: RoundRequest,
  fold: Fold,
  trained: Trained,
  milliseconds: number,
  random: Random,
  context: JobContext,
): Promise<Round> {
  const { model, thresholds } = request;
  const { scores: before, milliseconds: scoringMs } = await scoreBefore(request, fold.test, context);
  const tiles = scoringTiles(model, thresholds, fold.test);
  const boxes = thresholdsFor(request);
  const looks: Round['looks'][number][] = [];
  const weights = new Map<number, ReadonlyMap<string, tf.Tensor>>();
  let lookMs = 0;
  const scores = async () => {
    const started = performance.now();
    const f1s = await detectionScores(model, tiles, thresholds, boxes, context.signal);
    lookMs = Math.max(lookMs, performance.now() - started);
    return f1s;
  };
  const look = async (share: number) => {
    const f1s = await scores();
    for (const [i, box] of boxes.entries()) looks.push({ share, box, f1s: f1s[i] ?? [] });
    weights.set(share, copyOf(model, trained));
  };
  await scores(); // tells what a look costs; whether to learn at all is decided later, by masks
  const size = sizeOf(model, trained);
  const shares = size * LOOKS.length <= MOST_KEPT ? LOOKS : LOOKS.slice(-1);
  const scoring =
    (request.known?.has(keyOf(fold.test)) === true ? 0 : scoringMs) + scoringLater({ scoringMs });
  const rest = milliseconds - scoring - shares.length * GROWTH * lookMs - lookMs;
  await learnFrom(
    request,
    fold.learn,
    trained,
    {
      milliseconds: Math.max(0.1 * milliseconds, rest),
      random,
      look: { at: shares.slice(0, -1), run: look },
    },
    context,
  );
  await look(1);
  return { test: fold.test, before, looks, weights, scoringMs };
}

/** What scoring a round's held-out fields after it will take, in ms. */
export const scoringLater = ({ scoringMs }: Pick<Round, 'scoringMs'>): number =>
  GROWTH * ALL_THRESHOLDS * scoringMs;

/** Box thresholds that are tried: the one that came with the model first. */
export const thresholdsFor = ({ thresholds }: AdaptRequest): number[] => [
  ...new Set([thresholds.box, ...BOX_THRESHOLDS]),
];

/** Scores of a round's held-out fields with the weights of a share, for each of the box thresholds. */
export async function scoreAfter(
  { model, thresholds }: AdaptRequest,
  { test, weights }: Round,
  share: number,
  boxes: readonly number[],
  restore: () => void,
  signal?: AbortSignal,
): Promise<AdaptScore[][]> {
  restore();
  for (const [name, value] of weights.get(share) ?? []) model.parameters.assign(name, value);
  const settings = boxes.map((box) => ({ ...thresholds, box }));
  return scoreAtSizes(model, settings, test, signal);
}

const keyOf = (fields: readonly AnnotatedField[]): string =>
  fields.map(({ id, boxesOnly }) => `${id}${boxesOnly === undefined ? '' : ', boxes'}`).join('|');

async function scoreBefore(
  { model, rival, thresholds, known }: AdaptRequest,
  fields: readonly AnnotatedField[],
  { signal }: JobContext,
): Promise<Known> {
  const found = known?.get(keyOf(fields));
  if (found !== undefined) return found;
  const started = performance.now();
  const [scores = []] = await scoreAtSizes(rival ?? model, [thresholds], fields, signal);
  const fresh = { scores, milliseconds: performance.now() - started };
  known?.set(keyOf(fields), fresh);
  return fresh;
}

const namesOf = ({ names, adapted }: Trained): string[] => [...names, ...adapted];

function copyOf({ parameters }: CellSam, trained: Trained): ReadonlyMap<string, tf.Tensor> {
  return new Map(namesOf(trained).map((name) => [name, tf.tidy(() => parameters.get(name).add(0))]));
}

const sizeOf = ({ parameters }: CellSam, trained: Trained): number =>
  namesOf(trained).reduce((sum, name) => sum + parameters.get(name).size, 0);

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

/** The share of the schedule whose boxes are best over all images of the rounds, each at its best threshold; of those that all rounds tried. */
export function bestShare(rounds: readonly Pick<Round, 'looks'>[]): number {
  let best = { share: 1, f1: 0 };
  for (const { share, box } of rounds[0]?.looks ?? []) {
    const f1s = rounds.map(({ looks }) => looks.find((l) => l.share === share && l.box === box)?.f1s);
    if (f1s.some((some) => some === undefined)) continue;
    const f1 = meanOf(f1s.flatMap((some) => some ?? []));
    if (f1 > best.f1) best = { share, f1 };
  }
  return best.share;
}

/** One box threshold for the images of all rounds: the best mean F1 of masks; of equal ones the first. */
export function bestThreshold(scores: readonly (readonly AdaptScore[])[], boxes: readonly number[]) {
  const means = scores.map((own) => meanOf(own.map(({ f1 }) => f1)));
  const at = means.indexOf(Math.max(...means));
  return { box: boxes[at] as number, scores: scores[at] as readonly AdaptScore[] };
}
