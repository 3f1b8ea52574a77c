import { reason, throwIfAborted } from '../core/errors.js';
import { type JobContext, silent } from '../core/events.js';
import { Random } from '../core/random.js';
import { type Interval, meanWithInterval } from '../evaluate/bootstrap.js';
import type { CellSam } from '../models/cellsam.js';
import type { Thresholds } from '../segment/thresholds.js';
import { type AdaptOutcome, adapt, TooFewObjects } from './adapt.js';
import { type AnnotatedField, withoutMasks } from './annotated.js';
import { partsToTrain } from './chooseParts.js';
import type { FeatureCache } from './featureCache.js';
import { type Helpful, mostHelpful } from './helpful.js';
import type { AskedOptions, Part } from './options.js';
import type { AdaptRequest } from './request.js';
import { meanOf, scoreAll } from './score.js';

export interface FewshotRequest {
  readonly model: CellSam;
  readonly thresholds: Thresholds;
  /** Images that shots are drawn from. */
  readonly pool: readonly AnnotatedField[];
  /** The same for every number of shots and every seed; never learnt from. */
  readonly heldout: readonly AnnotatedField[];
  /** Rising; 0 is the model as it is. */
  readonly shots: readonly number[];
  readonly seeds: number;
  /** The pool's masks are forgotten; held-out images are scored by their masks all the same. */
  readonly boxesOnly: boolean;
  readonly options: AskedOptions;
  /** Features of one adaptation are not needed by the next: each has a cache of its own. */
  readonly cache: () => FeatureCache;
  /** Where finished adaptations are kept, so that a run that was stopped goes on; nothing is kept when absent. */
  readonly store?: RunStore;
}

/** Finished adaptations of one protocol. */
export interface RunStore {
  readonly find: (shots: number, seed: number) => Promise<FewshotRun | undefined>;
  readonly keep: (run: FewshotRun) => Promise<void>;
}

/** One adaptation. */
export interface FewshotRun {
  readonly shots: number;
  readonly seed: number;
  readonly ids: readonly string[];
  /** What was trained; nothing for the model as it is. */
  readonly parts: readonly Part[];
  /** Whether the adapted model replaced the old one; what was scored is what a user would have. */
  readonly isKept: boolean;
  readonly why: string;
  /** Mean F1 at IoU 0.5 on the held-out images. */
  readonly f1: number;
  /** Each held-out image. */
  readonly each: readonly number[];
  readonly seconds: number;
  /** After the last adaptation: images of the pool that were not learnt from, by how much they would help. */
  readonly helpful?: Helpful;
}

/** A point of the learning curve. */
export interface FewshotPoint {
  readonly shots: number;
  /** Mean over seeds and held-out images; interval from resampled images. */
  readonly f1: Interval;
  /** Against the model as it is, image by image. */
  readonly gain: Interval;
  /** Lowest and highest mean of a seed. */
  readonly spread: readonly [number, number];
  /** Of the seeds, in how many the adapted model was kept. */
  readonly kept: number;
}

export interface FewshotResult {
  readonly runs: readonly FewshotRun[];
  readonly curve: readonly FewshotPoint[];
  /** What one more image would bring at the largest number of shots: the last doubling's gain, read for one image. */
  readonly nextImage: { readonly gain: number; readonly low: number; readonly high: number } | null;
  /** Images of the pool that were not learnt from, by how much they would help. */
  readonly helpful: Helpful;
  readonly heldout: readonly string[];
}

/**
 * The few-shot protocol: for every seed the pool is shuffled once and its first 1, 2, 5 ... images are learnt from, exactly as
 * `adapt` does, each time from the same model; every result is scored on the same held-out images.
 */
export async function fewshot(request: FewshotRequest, context: JobContext): Promise<FewshotResult> {
  const { model, heldout, shots, seeds } = request;
  const random = new Random(request.options.seed).split('fewshot');
  const known: NonNullable<AdaptRequest['known']> = new Map();
  const original = new Map(
    model.parameters.names().map((name) => [name, model.parameters.get(name).clone()]),
  );
  const restore = () => {
    for (const [name, value] of original) model.parameters.assign(name, value);
  };
  const once = async (count: number, seed: number, make: () => Promise<FewshotRun>): Promise<FewshotRun> => {
    throwIfAborted(context.signal);
    const kept = await request.store?.find(count, seed);
    if (kept !== undefined) return kept;
    restore();
    const run = await make();
    await request.store?.keep(run);
    return run;
  };
  try {
    const unadapted = await once(0, 0, () => scored(request, context));
    const runs: FewshotRun[] = [];
    for (let seed = 0; seed < seeds; seed++) {
      const order = [...random.split(`pool/${seed}`).permutation(request.pool.length)];
      for (const count of shots) {
        if (count === 0 && seed > 0) continue;
        const isLast = seed === seeds - 1 && count === shots.at(-1);
        const drawn = { order, count, seed, isLast };
        const make = () => adaptedRun(drawn, unadapted, { ...request, known }, context);
        runs.push(count === 0 ? unadapted : await once(count, seed, make));
      }
    }
    return {
      runs,
      curve: curveOf(runs, unadapted.each, random.split('curve')),
      nextImage: nextImage(runs, shots, random.split('next')),
      helpful: runs.at(-1)?.helpful ?? { images: [], correlation: null },
      heldout: heldout.map(({ id }) => id),
    };
  } finally {
    restore();
    for (const tensor of original.values()) tensor.dispose();
  }
}

/** With the model's scores before adaptation, which all adaptations share. */
type KnownRequest = FewshotRequest & Required<Pick<AdaptRequest, 'known'>>;

/** Which images are learnt from. */
interface Draw {
  /** The shuffled pool, by index. */
  readonly order: readonly number[];
  readonly count: number;
  readonly seed: number;
  readonly isLast: boolean;
}

async function adaptedRun(
  { order, count, seed, isLast }: Draw,
  unadapted: FewshotRun,
  request: KnownRequest,
  context: JobContext,
): Promise<FewshotRun> {
  const { model, pool, heldout, thresholds } = request;
  const title = `${count} of ${pool.length} images, seed ${seed + 1} of ${request.seeds}`;
  context.emit({ kind: 'stage', title });
  const begun = performance.now();
  const [chosen, rest] = [order.slice(0, count), order.slice(count)].map((indices) =>
    indices.map((i) => pool[i] as AnnotatedField),
  ) as [AnnotatedField[], AnnotatedField[]];
  const { outcome, parts, why } = await adaptTo(chosen, seed, request, context);
  const seconds = (performance.now() - begun) / 1000;
  const isKept = outcome?.decision.isKept ?? false;
  const own = outcome?.thresholds ?? thresholds;
  const each = isKept ? await f1s(model, own, heldout, context) : unadapted.each;
  const f1 = meanOf(each);
  const reason = outcome?.decision.why ?? why;
  const message = `${count} images, seed ${seed + 1}: F1 ${f1.toFixed(3)} (before ${unadapted.f1.toFixed(3)}); ${reason}`;
  context.emit({ kind: 'note', message });
  const ids = chosen.map(({ id }) => id);
  const run = { shots: count, seed, ids, parts, isKept, why: reason, f1, each, seconds };
  return isLast ? { ...run, helpful: await mostHelpful(model, own, rest, context) } : run;
}

/** The model as it is. */
async function scored(request: FewshotRequest, context: JobContext): Promise<FewshotRun> {
  const { model, thresholds, heldout } = request;
  context.emit({ kind: 'stage', title: `Scoring the model as it is on ${heldout.length} held-out images` });
  const each = await f1s(model, thresholds, heldout, context);
  const why = 'the model as it is';
  return { shots: 0, seed: 0, ids: [], parts: [], isKept: false, why, f1: meanOf(each), each, seconds: 0 };
}

async function adaptTo(
  chosen: readonly AnnotatedField[],
  seed: number,
  request: KnownRequest,
  context: JobContext,
): Promise<{ readonly outcome?: AdaptOutcome; readonly parts: readonly Part[]; readonly why: string }> {
  const fields = request.boxesOnly ? chosen.map(withoutMasks) : chosen;
  const { model, thresholds, known } = request;
  const { parts } = await partsToTrain(request.options, model, thresholds, fields, context.signal);
  const options = { ...request.options, parts, seed: request.options.seed + seed };
  try {
    const adapted = { model, thresholds, fields, options, cache: request.cache(), known };
    return { outcome: await adapt(adapted, { ...context, emit: silent }), parts, why: '' };
  } catch (thrown) {
    if (!(thrown instanceof TooFewObjects)) throw thrown;
    return { parts, why: reason(thrown) }; // the model stays as it is
  }
}

async function f1s(
  model: CellSam,
  thresholds: Thresholds,
  fields: readonly AnnotatedField[],
  { signal }: JobContext,
) {
  const [scores = []] = await scoreAll(model, [thresholds], fields, signal);
  return scores.map(({ f1 }) => f1);
}

/** Means over seeds first, image by image, so that intervals speak of other images. */
export function curveOf(
  runs: readonly FewshotRun[],
  before: readonly number[],
  random: Random,
): FewshotPoint[] {
  return [...new Set(runs.map(({ shots }) => shots))].map((shots) => {
    const own = runs.filter((run) => run.shots === shots);
    const perImage = before.map((_, i) => meanOf(own.map(({ each }) => each[i] as number)));
    const means = own.map(({ f1 }) => f1);
    return {
      shots,
      f1: meanWithInterval(perImage, random.split(`f1/${shots}`)),
      gain: meanWithInterval(
        perImage.map((value, i) => value - (before[i] as number)),
        random.split(`gain/${shots}`),
      ),
      spread: [Math.min(...means), Math.max(...means)],
      kept: own.filter(({ isKept }) => isKept).length,
    };
  });
}

/** F1 grows about evenly with the logarithm of the number of images: the last step's slope, for one image more. */
export function nextImage(
  runs: readonly FewshotRun[],
  shots: readonly number[],
  random: Random,
): FewshotResult['nextImage'] {
  const [from, to] = shots.filter((n) => n > 0).slice(-2);
  if (from === undefined || to === undefined) return null;
  const f1Of = (n: number, seed: number) => runs.find((run) => run.shots === n && run.seed === seed)?.f1 ?? 0;
  const seeds = [...new Set(runs.filter((run) => run.shots === to).map(({ seed }) => seed))];
  const share = Math.log((to + 1) / to) / Math.log(to / from);
  const { mean, low, high } = meanWithInterval(
    seeds.map((seed) => share * (f1Of(to, seed) - f1Of(from, seed))),
    random,
  );
  return { gain: mean, low, high };
}
