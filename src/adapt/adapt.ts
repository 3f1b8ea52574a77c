import { DataError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import type { Thresholds } from '../segment/thresholds.js';
import { tf } from '../tf/index.js';
import { PartGraphs } from '../train/partGraphs.js';
import type { Factors } from '../weights/lowRank.js';
import { bestShare, bestThreshold } from './chooseSchedule.js';
import { type Decision, decide, type Gain, gainOf, longerBudget } from './decide.js';
import { type Fold, foldsOf } from './folds.js';
import { learnFrom } from './learnFrom.js';
import type { AdaptRequest, RoundRequest } from './request.js';
import { type Round, runRound, scoreAfter, scoringLater, thresholdsFor } from './rounds.js';
import { type AdaptScore, meanOf } from './score.js';
import { averageWith } from './shrink.js';
import { type Trained, trainedOf } from './trained.js';

/** Fewer objects than this cannot be learnt from and tested on. */
const LEAST_OBJECTS = 4;
/** What comes after learning, the report and the file: a share of the budget, and seconds that it always takes. */
const LATE = { share: 0.03, seconds: 3 };

/** There is not enough to learn from and to test on. */
export class TooFewObjects extends DataError {}

export interface AdaptOutcome {
  readonly decision: Decision;
  readonly gain: Gain;
  /** On held-out pieces, in the same order. */
  readonly before: readonly AdaptScore[];
  readonly after: readonly AdaptScore[];
  readonly thresholds: Thresholds;
  readonly steps: number;
  /** Steps of each round of cross-validation. */
  readonly roundSteps: readonly number[];
  /** A longer budget, as it is typed, where the time ended the rounds' learning early. */
  readonly longerBudget?: string;
  readonly trained: readonly string[];
  /** Of the low-rank adapters, by the weight's name. */
  readonly factors: ReadonlyMap<string, Factors>;
  readonly seconds: number;
}

/**
 * Adapts a model to a few annotated images and proves on held-out ones that it helped: cross-validation by image (by halves
 * of a single image), then one round on everything, with which the rounds' weights are averaged. How long to learn is chosen
 * for all rounds together by the boxes found, one threshold by the masks. Choosing for each round on the others would be free
 * of flattery, but few images lead astray: it refused what helped (docs/adapt.md).
 *
 * @throws TooFewObjects to learn from and to test on
 */
export async function adapt(request: AdaptRequest, context: JobContext): Promise<AdaptOutcome> {
  const graphs = new PartGraphs((message) => context.emit({ kind: 'warning', message }));
  try {
    return await adaptWith({ ...request, graphs }, context);
  } finally {
    graphs.dispose();
  }
}

async function adaptWith(request: RoundRequest, context: JobContext): Promise<AdaptOutcome> {
  const { started = performance.now() } = request;
  const { model, fields, options } = request;
  requireObjects(fields);
  const random = new Random(options.seed).split('adapt');
  const folds = foldsOf(fields, options.folds, random.split('folds'));
  if (folds.length < 2) {
    throw new TooFewObjects('only one image has annotated cells, and they cannot be divided into two parts', {
      fix: 'annotate a second image, or cells in both halves of this one',
    });
  }
  const trained = trainedOf(model, options);
  const all = [...trained.names, ...trained.adapted];
  const snapshot = new Map(all.map((name) => [name, model.parameters.get(name).clone()]));
  const restore = () => {
    for (const [name, value] of snapshot) model.parameters.assign(name, value);
  };
  const rounds: Round[] = [];
  try {
    const end = started + 1000 * (options.budgetSeconds * (1 - LATE.share) - LATE.seconds);
    await runRounds(request, folds, trained, end, restore, random, rounds, context);
    const share = bestShare(rounds);
    const before = rounds.flatMap((round) => round.before);
    const { box, scores: after } = await scoresAfter(request, rounds, share, restore, context);
    const f1s = (scores: readonly AdaptScore[]) => scores.map((score) => score.f1);
    const isSingle = fields.filter(({ boxes }) => boxes.count > 0).length === 1;
    const gain = gainOf(f1s(before), f1s(after), isSingle ? 'halves' : 'images');
    const roundSteps = rounds.map(({ steps }) => steps);
    const learning = { steps: roundSteps, wanted: options.steps, budgetSeconds: options.budgetSeconds };
    const decision = decide(gain, meanOf(f1s(after)), learning);
    const longer = longerBudget(learning);
    restore();
    let learnt: Awaited<ReturnType<typeof learnFrom>> = { steps: 0, factors: new Map() };
    if (decision.isKept) {
      const title = `It helps (${decision.why}); learning from all ${fields.length}`;
      context.emit({ kind: 'stage', title });
      const milliseconds = end - performance.now();
      const extra = { milliseconds, until: share, random: random.split('final') };
      learnt = await learnFrom(request, fields, trained, extra, context);
      // Means of adapters would be no adapters of their rank.
      if (trained.adapted.length === 0) {
        const others = rounds.flatMap(({ weights }) => weights.get(share) ?? []);
        averageWith(model, trained.names, others);
      }
    }
    return {
      decision,
      gain,
      before,
      after,
      thresholds: decision.isKept ? { ...request.thresholds, box } : request.thresholds,
      steps: learnt.steps,
      factors: learnt.factors,
      roundSteps,
      ...(longer === undefined ? {} : { longerBudget: longer }),
      trained: all,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    tf.dispose([...snapshot.values(), ...rounds.flatMap(keptOf)]);
  }
}

const keptOf = ({ weights }: Round): tf.Tensor[] => [...weights.values()].flatMap((own) => [...own.values()]);

/** Every round's held-out fields after learning, with the one threshold that suits them best. */
async function scoresAfter(
  request: AdaptRequest,
  rounds: readonly Round[],
  share: number,
  restore: () => void,
  { emit, signal }: JobContext,
): Promise<{ readonly box: number; readonly scores: readonly AdaptScore[] }> {
  emit({ kind: 'stage', title: 'Scoring what was held out' });
  const boxes = thresholdsFor(request);
  const scores: AdaptScore[][] = boxes.map(() => []);
  for (const round of rounds) {
    const own = await scoreAfter(request, round, share, boxes, restore, signal);
    for (const [i, some] of own.entries()) scores[i]?.push(...some);
  }
  return bestThreshold(scores, boxes);
}

/** All rounds that the time allows, two at least; each and the last learning, from everything, have an equal share of it. */
async function runRounds(
  request: RoundRequest,
  folds: readonly Fold[],
  trained: Trained,
  end: number,
  restore: () => void,
  random: Random,
  rounds: Round[],
  context: JobContext,
): Promise<void> {
  for (const [k, fold] of folds.entries()) {
    const later = rounds.reduce((sum, round) => sum + scoringLater(round), 0);
    const share = (end - performance.now() - later) / (folds.length - k + 1);
    const dearest = Math.max(0, ...rounds.map((round) => round.scoringMs));
    if (k >= 2 && share < dearest) {
      context.emit({ kind: 'warning', message: `the time allows ${k} of ${folds.length} rounds` });
      break;
    }
    const title = `Round ${k + 1} of ${folds.length}: learning from ${fold.learn.length}, testing on ${fold.test.length}`;
    context.emit({ kind: 'stage', title });
    restore();
    rounds.push(await runRound(request, fold, trained, share, random.split(`round/${k}`), context));
  }
}

function requireObjects(fields: AdaptRequest['fields']): void {
  const objects = fields.reduce((sum, field) => sum + field.boxes.count, 0);
  if (objects >= LEAST_OBJECTS) return;
  const [images, cells] = [fields.length === 1 ? 'image' : 'images', objects === 1 ? 'cell' : 'cells'];
  throw new TooFewObjects(
    `${fields.length} ${images} with ${objects} annotated ${cells}: at least ${LEAST_OBJECTS} are needed, some to learn from and some to test on`,
    { fix: 'annotate a few more cells; five images with some tens of cells are a good beginning' },
  );
}
