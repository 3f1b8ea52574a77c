import { IMAGE_FILE } from '../../io/decode.js';
import { filesBelow, stemOf } from './folder.js';
import type { FieldRef } from './format.js';
import { IncompleteError } from './incomplete.js';

/** How annotation files are told from other files and named after their images. */
export interface Beside {
  /** Files that are annotations. */
  readonly isAnnotation: (file: string) => boolean;
  /** The image's stem, from that of the annotation. */
  readonly stem?: (stem: string) => string;
  /** What an annotation is called in messages. */
  readonly called: string;
}

/**
 * Images and annotation files of one stem, in one folder or in two. Images without an annotation are listed alone: they
 * are unlabelled. Where stems repeat in several folders, the nearest annotation is the image's.
 *
 * @throws DataError naming annotations without an image
 */
export async function listBeside(
  root: string,
  { isAnnotation, stem = (s) => s, called }: Beside,
): Promise<FieldRef[]> {
  const files = await filesBelow(root);
  const annotations = files.filter(isAnnotation);
  const images = files.filter((file) => IMAGE_FILE.test(file) && !isAnnotation(file));
  const byStem = new Map<string, string[]>();
  for (const file of annotations) {
    const key = stem(stemOf(file));
    byStem.set(key, [...(byStem.get(key) ?? []), file]);
  }
  const used = new Set<string>();
  const refs = images.map((image): FieldRef => {
    const found = nearest(image, byStem.get(stemOf(image)) ?? []);
    if (found !== undefined) used.add(found);
    const split = splitOf(image);
    return { id: image, files: found === undefined ? [image] : [image, found], ...(split && { split }) };
  });
  const lonely = annotations.filter((file) => !used.has(file));
  if (lonely.length > 0 || used.size === 0)
    throw new IncompleteError(
      `${root} does not hold images with ${called}`,
      {
        where: root,
        problems: lonely.map((where) => ({ where, message: 'has no image of its name' })),
        fix: `put each image beside its ${called}, or in a folder of its own, under the same name`,
      },
      used.size === 0 ? [] : withSplits(refs),
    );
  return withSplits(refs);
}

/** The parts that folders tell, where they tell of training and of something else for every image. */
export function withSplits(refs: readonly FieldRef[]): FieldRef[] {
  const found = new Set(refs.map(({ split }) => split));
  if (found.has('train') && found.size > 1 && !found.has(undefined)) return [...refs];
  return refs.map(({ id, files }) => ({ id, files }));
}

/** The annotation whose folder has the most in common with the image's. */
function nearest(image: string, found: readonly string[]): string | undefined {
  const common = (file: string): number => {
    const [a, b] = [image.split('/'), file.split('/')];
    let k = 0;
    while (k < a.length && a[k] === b[k]) k++;
    return k;
  };
  return found.length < 2 ? found[0] : [...found].sort((a, b) => common(b) - common(a))[0];
}

/** The part that a folder's name tells. */
export function splitOf(file: string): FieldRef['split'] | undefined {
  for (const folder of file.toLowerCase().split('/').slice(0, -1).reverse()) {
    if (/^(train|training)$/.test(folder)) return 'train';
    if (/^(val|valid|validation)$/.test(folder)) return 'val';
    if (/^(test|testing|heldout)$/.test(folder)) return 'heldout';
  }
  return undefined;
}

/** The warning of an image without annotation. */
export const UNLABELLED = 'has no annotation file: unlabelled, not empty';
