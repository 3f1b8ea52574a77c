import { erf } from 'mathjs/number';
import { signed } from '../core/signed.js';

/** What is to be expected on other images of the kind. */
export interface Gain {
  readonly mean: number;
  /** 95 % interval. */
  readonly low: number;
  readonly high: number;
  /** Probability that the adapted model is better there. */
  readonly certainty: number;
}

export interface Decision {
  readonly isKept: boolean;
  readonly why: string;
}

/** How far the rounds of cross-validation came. */
export interface Learning {
  /** Steps of each round. */
  readonly steps: readonly number[];
  /** Steps that each was to have. */
  readonly wanted: number;
  readonly budgetSeconds: number;
}

/** A gain smaller than this is not worth another model. */
const LEAST_GAIN = 0.01;
/** Both models are open to be used; the better one is rather more likely than not. */
const LEAST_CERTAINTY = 0.6;
/** With labels that fit the images at all, some cells are found after adaptation. */
const LEAST_F1 = 0.1;
/** No budget is advised that is more times longer: the first steps take longest, as they compute the features. */
const MOST_LONGER = 10;
/** The usual spread counts as this many further images. */
const USUAL_IMAGES = 4;

/**
 * Standard deviation from image to image of what was gained by learning from n images, as it was seen on many (docs/adapt.md):
 * 0.22 to 0.26 for one, 0.15 to 0.23 for two, 0.06 to 0.14 for five and ten.
 */
const usualDeviation = (images: number): number => Math.max(0.12, 0.24 / Math.sqrt(images));

/**
 * One and two images promise too much: halves of one gained 0.05 to 0.34 in each other, two up to 0.25, where other images lost
 * up to 0.15; from five on both agree (docs/adapt.md). What is kept has to show more than that.
 */
const OPTIMISM: readonly number[] = [0, 0.25, 0.12];

/**
 * The gain to expect on other images, and how sure it is. Few images tell little of their own spread, two halves of one
 * nothing; so the spread that is usual counts as some images more (the mean of an inverse chi-squared posterior), and the
 * mean is normal.
 *
 * @param parts of what the scores are
 */
export function gainOf(
  before: readonly number[],
  after: readonly number[],
  parts: 'images' | 'halves' = 'images',
): Gain {
  const gains = after.map((value, i) => value - (before[i] as number));
  const seen = gains.reduce((a, b) => a + b, 0) / gains.length;
  const isHalves = parts === 'halves';
  const images = isHalves ? 1 : gains.length;
  const squares = isHalves ? 0 : gains.reduce((sum, gain) => sum + (gain - seen) ** 2, 0);
  const variance = (USUAL_IMAGES * usualDeviation(images) ** 2 + squares) / (USUAL_IMAGES + images - 1);
  const error = Math.sqrt(variance / images);
  const mean = seen - (OPTIMISM[images] ?? 0);
  return {
    mean,
    low: mean - 1.96 * error,
    high: mean + 1.96 * error,
    certainty: (1 + erf(mean / error / Math.SQRT2)) / 2,
  };
}

/**
 * A budget in which the rounds may reach all their steps, as it is typed (`15m`): the time grows with the steps at most.
 *
 * @returns nothing where the time did not end learning early
 */
export function longerBudget({ steps, wanted, budgetSeconds }: Learning): string | undefined {
  if (steps.every((own) => own >= wanted)) return undefined;
  const mean = steps.reduce((a, b) => a + b, 0) / steps.length;
  const factor = Math.min(MOST_LONGER, wanted / Math.max(1, mean));
  return `${Math.ceil((budgetSeconds * factor) / 60)}m`;
}

/** `12 to 15 of 150 steps a round`. */
export function stepsReached({ steps, wanted }: Pick<Learning, 'steps' | 'wanted'>): string {
  const [least, most] = [Math.min(...steps), Math.max(...steps)];
  const reached = least === most ? `${least}` : `${least} to ${most}`;
  return `${reached} of ${wanted} steps a round`;
}

/**
 * The adapted model replaces the old one when it is better on images that it has not seen, and probably on others. Where the
 * time ended learning early, the reason says so, as it may be the whole reason.
 *
 * @param after mean F1 of what was held out
 */
export function decide(gain: Gain, after: number, learning: Learning): Decision {
  const longer = longerBudget(learning);
  const { isKept, why } = judge(gain, after, longer !== undefined);
  if (longer === undefined) return { isKept, why };
  const short = `the time ended learning after ${stepsReached(learning)}`;
  return isKept
    ? { isKept, why: `${why}; ${short}, more of it (--budget ${longer}) may bring more` }
    : { isKept, why: `${short}: allow more, for example --budget ${longer}; ${why}` };
}

function judge(gain: Gain, after: number, isCut: boolean): Decision {
  const sure = `${Math.round(100 * gain.certainty)} %`;
  if (after < LEAST_F1) {
    return {
      isKept: false,
      why: `after adaptation hardly any held-out cell is found (F1 ${after.toFixed(3)})${isCut ? '' : ': check that the labels belong to these images'}`,
    };
  }
  if (gain.mean < LEAST_GAIN)
    return { isKept: false, why: `it is not expected to help on other images (F1 ${signed(gain.mean)})` };
  if (gain.certainty < LEAST_CERTAINTY)
    return {
      isKept: false,
      why: `the gain of ${signed(gain.mean)} may be chance (better with a probability of ${sure}); more images would tell`,
    };
  return {
    isKept: true,
    why: `expected on other images: F1 ${signed(gain.mean)}, better with a probability of ${sure}`,
  };
}
