import { DataError } from '../core/errors.js';
import type { Sample } from '../data/sample.js';

/**
 * Refuses images that the model was trained on, whatever their names: pixels are compared by their hash.
 *
 * @param trained hashes of the training and validation images, with their ids
 * @throws DataError naming every such image
 */
export function refuseShared(samples: readonly Sample[], trained: ReadonlyMap<string, string>): void {
  const problems = samples.flatMap(({ id, source }) => {
    const twin = trained.get(source.contentHash);
    return twin === undefined
      ? []
      : [{ where: id, message: `has the same pixels as ${twin}, which trained the model` }];
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
