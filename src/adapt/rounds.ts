import type { JobContext } from '../core/events.js';
import type { Random } from '../core/random.js';
import type { CellSam } from '../models/cellsam.js';
import { tf } from '../tf/index.js';
import type { AnnotatedField } from './annotated.js';
import { detectionScores, scoringTiles } from './detections.js';
import type { Fold } from './folds.js';
import { learnFrom } from './learnFrom.js';
import type { AdaptRequest, Known, RoundRequest } from './request.js';
import { type AdaptScore, scoreAtSizes } from './score.js';
import type { Trained } from './trained.js';

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
  readonly steps: number;
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
  const { steps } = await learnFrom(
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
  return { test: fold.test, before, looks, weights, steps, scoringMs };
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
