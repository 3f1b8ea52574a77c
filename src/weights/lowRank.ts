import type { NamedArray } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { toPublished } from '../models/names.js';

/** The two factors of a weight's change in TensorFlow's layout: `down [..., inputs, rank]` (a convolution's with its window), `up [rank, outputs]`. */
export interface Factors {
  readonly down: NamedArray;
  readonly up: NamedArray;
}

/** What a factor is called in a file, after the name of its weight. */
const SUFFIX = { down: '.lora_down', up: '.lora_up' } as const;

/** Changed weights as a file keeps them: of those that changed by a product of factors, the factors alone. */
export function withFactors(
  changed: ReadonlyMap<string, NamedArray>,
  factors: ReadonlyMap<string, Factors>,
): Map<string, NamedArray> {
  const kept = new Map(changed);
  for (const [name, own] of factors) {
    if (!kept.delete(name)) continue; // did not change
    for (const which of ['down', 'up'] as const)
      kept.set(name + SUFFIX[which], toPublished(name, own[which]));
  }
  return kept;
}

/** True for an entry that is no weight by itself. */
export const isFactor = (name: string): boolean => Object.values(SUFFIX).some((end) => name.endsWith(end));

/** Names of the factors of a weight in a file. */
export const factorNames = (name: string): readonly [down: string, up: string] => [
  name + SUFFIX.down,
  name + SUFFIX.up,
];

/**
 * A base's weight with its change, in the published layout: `base [out, ...] + up [out, rank] down [rank, ...]`.
 *
 * @throws WeightsError when the shapes do not fit
 */
export function changedBy(name: string, base: NamedArray, down: NamedArray, up: NamedArray): NamedArray {
  const [outputs = 0, ...inner] = base.shape;
  const inputs = inner.reduce((a, b) => a * b, 1);
  const rank = up.shape[1] ?? 0;
  if (up.shape[0] !== outputs || down.shape.join() !== [rank, ...inner].join())
    throw new WeightsError(`the adapter of \`${name}\` does not fit it`, { where: name });
  const data = Float32Array.from(base.data, Number);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) sum += Number(up.data[o * rank + r]) * Number(down.data[r * inputs + i]);
      data[o * inputs + i] = (data[o * inputs + i] as number) + sum;
    }
  return { shape: base.shape, dtype: 'float32', data };
}
