import { DataError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import type { Thresholds } from '../segment/thresholds.js';
import { tf } from '../tf/index.js';
import { type Decision, decide, type Gain, gainOf } from './decide.js';
import { type Fold, foldsOf } from './folds.js';
import { PARTS } from './options.js';
import { type AdaptRequest, bestChoice, learnFrom, type Round, runRound, scoresAt } from './rounds.js';
import { type AdaptScore, meanOf } from './score.js';

/** Fewer objects than this cannot be learnt from and tested on. */
const LEAST_OBJECTS = 4;
/** What comes after learning, the report and the file: a share of the budget, and seconds that it always takes. */
const LATE = { share: 0.03, seconds: 3 };

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

/**
 * Adapts a model to a few annotated images and proves on held-out ones that it helped: cross-validation by image (by halves
 * of a single image), then one round on everything. How long to learn and which threshold to use for a round is chosen on
 * the other rounds only, so that the score after is not flattered.
 *
 * @throws DataError when there are too few objects to learn from and to test on
 */
export async function adapt(request: AdaptRequest, context: JobContext): Promise<AdaptOutcome> {
  const { started = performance.now() } = request;
  const { model, fields, options } = request;
  requireObjects(fields);
  const random = new Random(options.seed).split('adapt');
  const folds = foldsOf(fields, options.folds, random.split('folds'));
  if (folds.length < 2) {
    throw new DataError('only one image has annotated cells, and they cannot be divided into two parts', {
      fix: 'annotate a second image, or cells in both halves of this one',
    });
  }
  const trained = trainedOf(request);
  const snapshot = new Map(trained.map((name) => [name, model.parameters.get(name).clone()]));
  const restore = () => {
    for (const [name, value] of snapshot) model.parameters.assign(name, value);
  };
  try {
    const end = started + 1000 * (options.budgetSeconds * (1 - LATE.share) - LATE.seconds);
    const rounds = await runRounds(request, folds, trained, end, restore, random, context);
    const before = rounds.flatMap((round) => round.before);
    const after = rounds.flatMap((round, k) => {
      const others = rounds.filter((_, i) => i !== k);
      return scoresAt(round, bestChoice(others)) ?? scoresAt(round, bestChoice(rounds)) ?? [];
    });
    const f1s = (scores: readonly AdaptScore[]) => scores.map((score) => score.f1);
    const gain = gainOf(f1s(before), f1s(after), random.split('gain'));
    const decision = decide(gain, meanOf(f1s(after)));
    restore();
    const best = bestChoice(rounds);
    let steps = 0;
    if (decision.isKept && best.share > 0) {
      const title = `It helps (${decision.why}); learning from all ${fields.length}`;
      context.emit({ kind: 'stage', title });
      const milliseconds = end - performance.now();
      const extra = { milliseconds, until: best.share, random: random.split('final') };
      steps = await learnFrom(request, fields, trained, extra, context);
    }
    return {
      decision,
      gain,
      before,
      after,
      thresholds: decision.isKept ? { ...request.thresholds, box: best.box } : request.thresholds,
      steps,
      rounds: rounds.length,
      trained,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    tf.dispose([...snapshot.values()]);
  }
}

/** All rounds that the time allows, two at least; each and the last learning, from everything, have an equal share of it. */
async function runRounds(
  request: AdaptRequest,
  folds: readonly Fold[],
  trained: readonly string[],
  end: number,
  restore: () => void,
  random: Random,
  context: JobContext,
): Promise<Round[]> {
  const rounds: Round[] = [];
  for (const [k, fold] of folds.entries()) {
    const share = (end - performance.now()) / (folds.length - k + 1);
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
  return rounds;
}

function requireObjects(fields: AdaptRequest['fields']): void {
  const objects = fields.reduce((sum, field) => sum + field.boxes.count, 0);
  if (objects >= LEAST_OBJECTS) return;
  const [images, cells] = [fields.length === 1 ? 'image' : 'images', objects === 1 ? 'cell' : 'cells'];
  throw new DataError(
    `${fields.length} ${images} with ${objects} annotated ${cells}: at least ${LEAST_OBJECTS} are needed, some to learn from and some to test on`,
    { fix: 'annotate a few more cells; five images with some tens of cells are a good beginning' },
  );
}

/** Names of the weights of the parts that are asked for. */
function trainedOf({ model: { parameters }, options }: AdaptRequest): string[] {
  const patterns = options.parts.map((part) => new RegExp(PARTS[part]));
  return parameters
    .names()
    .filter((name) => parameters.get(name).trainable && patterns.some((pattern) => pattern.test(name)));
}
