import type { CellSam } from '../models/cellsam.js';
import { tf } from '../tf/index.js';
import type { Factors } from '../weights/lowRank.js';

/** So many images does the model as it was count as, against those that it learns from. */
const PRIOR_IMAGES = 1;

/**
 * How much of what was learnt from some images is taken over. Weights between a model and its fine-tuned copy do better
 * on other images than either where there is little to learn from (Wortsman et al. 2022, WiSE-FT).
 */
export const shareOf = (images: number): number => images / (images + PRIOR_IMAGES);

/** Brings weights of the model to `before + share (now - before)`. */
export function shrinkTowards(
  { parameters }: CellSam,
  before: ReadonlyMap<string, tf.Tensor>,
  share: number,
): void {
  for (const [name, value] of before) {
    tf.tidy(() => parameters.assign(name, value.add(parameters.get(name).sub(value).mul(share))));
  }
}

/**
 * Brings weights of the model to the mean of themselves and of what was learnt elsewhere. Weights that were learnt from the same
 * beginning, on other images and in another order, do better on other images together than each (Wortsman et al. 2022, model
 * soups).
 */
export function averageWith(
  { parameters }: CellSam,
  names: readonly string[],
  learnt: readonly ReadonlyMap<string, tf.Tensor>[],
): void {
  for (const name of names) {
    const others = learnt.flatMap((weights) => weights.get(name) ?? []);
    tf.tidy(() =>
      parameters.assign(name, tf.addN([parameters.get(name).clone(), ...others]).div(others.length + 1)),
    );
  }
}

/** `shrinkTowards` of changes that are products of two factors: one of them is scaled. */
export function shrunkFactors(factors: ReadonlyMap<string, Factors>, share: number): Map<string, Factors> {
  return new Map(
    [...factors].map(([name, { down, up }]) => {
      const data = Float32Array.from(up.data as Float32Array, (value) => share * value);
      return [name, { down, up: { ...up, data } }];
    }),
  );
}
