import { DataError } from '../core/errors.js';
import type { Sample } from '../data/sample.js';

/** Tells the image with these pixels that trained the model, by the hash of the pixels. */
export type Twin = (contentHash: string) => string | undefined;

/**
 * Refuses images that the model was trained on, whatever their names: pixels are compared by their hash.
 *
 * @param twinOf the training or validation image with the same pixels
 * @throws DataError naming every such image
 */
export function refuseShared(samples: readonly Sample[], twinOf: Twin): void {
  const problems = samples.flatMap(({ id, source }) => {
    const twin = twinOf(source.contentHash);
    return twin === undefined ? [] : [{ where: id, message: `has the same pixels as ${twin}` }];
  });
  if (problems.length > 0)
    throw new DataError(`${problems.length} of ${samples.length} held-out images were used in training`, {
      problems,
      fix: 'take them out of the held-out set, or say --shared allow to score them all the same',
    });
}

/** Groups of images within a set that have the same pixels: each counts as often as it is there. */
export function repeats(samples: readonly Sample[]): readonly (readonly string[])[] {
  const byHash = new Map<string, string[]>();
  for (const { id, source } of samples) {
    const ids = byHash.get(source.contentHash);
    if (ids === undefined) byHash.set(source.contentHash, [id]);
    else ids.push(id);
  }
  return [...byHash.values()].filter((ids) => ids.length > 1);
}
