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

/** A gain smaller than this is not worth another model. */
const LEAST_GAIN = 0.01;
/** Both models are open to be used; the better one is rather more likely than not. */
const LEAST_CERTAINTY = 0.6;
/** With labels that fit the images at all, some cells are found after adaptation. */
const LEAST_F1 = 0.1;
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

/** The adapted model replaces the old one when it is better on images that it has not seen, and probably on others. */
export function decide(gain: Gain, after: number): Decision {
  const sure = `${Math.round(100 * gain.certainty)} %`;
  if (after < LEAST_F1) {
    return {
      isKept: false,
      why: `after adaptation hardly any held-out cell is found (F1 ${after.toFixed(3)}): check that the labels belong to these images`,
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
