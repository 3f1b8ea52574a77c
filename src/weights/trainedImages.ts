import { z } from 'zod';

/** Which images a model has learned from or was calibrated on, by their pixels. */
export interface TrainedImages {
  /** How many there were. */
  readonly count: number;
  /** The smallest `MOST` of their short hashes, rising: all of them where there were not more. */
  readonly hashes: readonly string[];
  /** Whether these are all: not where it began with weights that do not tell theirs. */
  readonly isComplete: boolean;
}

/** Of weights that were drawn at random. */
export const NO_IMAGES: TrainedImages = { count: 0, hashes: [], isComplete: true };
/** Of weights that do not tell. */
export const UNKNOWN_IMAGES: TrainedImages = { ...NO_IMAGES, isComplete: false };

/** More hashes than these are not kept: 20,000 take 320 KB in a model's file. */
export const MOST = 20_000;
/** Hexadecimal digits of a short hash: 64 bits. Of a million images two unlike ones meet with a chance of 3e-8. */
const DIGITS = 16;

const stored = z.object({
  count: z.number().int().nonnegative(),
  hashes: z.string().regex(/^[0-9a-f]*$/),
  isComplete: z.boolean(),
});

/** The short form of a sample's `contentHash`. */
export const shortHash = (contentHash: string): string => contentHash.slice(0, DIGITS);

/**
 * What is known of a model's images, and these in addition; of more than `MOST`, one that comes again may be counted again.
 *
 * @param contentHashes of the samples
 */
export function withImages(known: TrainedImages, contentHashes: Iterable<string>): TrainedImages {
  const hashes = new Set(known.hashes);
  for (const hash of contentHashes) hashes.add(shortHash(hash));
  const unlisted = known.count - known.hashes.length;
  return { ...known, count: unlisted + hashes.size, hashes: [...hashes].sort().slice(0, MOST) };
}

/** Whether an image of this hash is among those that are listed. */
export function isTrainedOn(images: TrainedImages): (contentHash: string) => boolean {
  const known = new Set(images.hashes);
  return (contentHash) => known.has(shortHash(contentHash));
}

/** As a model's file keeps it: the hashes one after the other. */
export function trainedImagesText({ hashes, ...rest }: TrainedImages): string {
  return JSON.stringify({ ...rest, hashes: hashes.join('') });
}

/** @throws Error when the text is not what `trainedImagesText` gives */
export function trainedImagesFrom(text: string): TrainedImages {
  const { hashes, ...rest } = stored.parse(JSON.parse(text));
  if (hashes.length % DIGITS !== 0) throw new RangeError('a hash is cut off');
  return { ...rest, hashes: hashes.match(new RegExp(`.{${DIGITS}}`, 'g')) ?? [] };
}
