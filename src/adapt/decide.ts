import type { Random } from '../core/random.js';

/** What was found on held-out images, before and after. */
export interface Gain {
  readonly mean: number;
  /** 95 % interval from resampled images. */
  readonly low: number;
  readonly high: number;
  /** Share of the resamples in which the adapted model is better. */
  readonly certainty: number;
}

export interface Decision {
  readonly isKept: boolean;
  readonly why: string;
}

/** A gain smaller than this is not worth another model. */
const LEAST_GAIN = 0.01;
const LEAST_CERTAINTY = 0.9;
/** With labels that fit the images at all, some cells are found after adaptation. */
const LEAST_F1 = 0.1;
const RESAMPLES = 2000;

/** Paired bootstrap over images of the difference in F1. */
export function gainOf(before: readonly number[], after: readonly number[], random: Random): Gain {
  const gains = after.map((value, i) => value - (before[i] as number));
  const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const means = Array.from({ length: RESAMPLES }, () =>
    meanOf(gains.map(() => gains[random.integer(gains.length)] as number)),
  ).sort((a, b) => a - b);
  return {
    mean: meanOf(gains),
    low: means[Math.floor(0.025 * RESAMPLES)] as number,
    high: means[Math.floor(0.975 * RESAMPLES)] as number,
    certainty: means.filter((m) => m > 0).length / RESAMPLES,
  };
}

/** The adapted model replaces the old one only when it is better on images that it has not seen. */
export function decide(gain: Gain, after: number): Decision {
  const sure = `${Math.round(100 * gain.certainty)} %`;
  if (after < LEAST_F1) {
    return {
      isKept: false,
      why: `after adaptation hardly any held-out cell is found (F1 ${after.toFixed(3)}): check that the labels belong to these images`,
    };
  }
  if (gain.mean < LEAST_GAIN)
    return { isKept: false, why: `it did not help on held-out images (F1 ${signed(gain.mean)})` };
  if (gain.certainty < LEAST_CERTAINTY)
    return {
      isKept: false,
      why: `the gain of ${signed(gain.mean)} may be chance (better in ${sure} of the resamples); more images would tell`,
    };
  return {
    isKept: true,
    why: `F1 on held-out images ${signed(gain.mean)}, better in ${sure} of the resamples`,
  };
}

const signed = (value: number): string => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(3)}`;
