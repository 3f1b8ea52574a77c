import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Problem, reason } from '../core/errors.js';
import { components, relabel } from '../image/labels.js';
import type { LabelImage } from '../image/types.js';
import { decodeFile } from '../io/decode.js';

const LABEL_FILE = /\.(tiff?|png|npy)$/i;
const ENDING = /_(cp_masks|masks?|labels?|seg|pred|prediction|gt|truth)$/i;

/** What to do with masks whose objects all have one value: refuse, take pieces as objects, or believe them. */
export const BINARY = ['refuse', 'split', 'keep'] as const;
export type Binary = (typeof BINARY)[number];

/** The name that pairs a file: without its ending, and without `_masks`, `_cp_masks`, `_labels`, `_pred` and the like. */
export function stemOf(name: string): string {
  return name
    .replace(LABEL_FILE, '')
    .replace(/\.ome$/i, '')
    .replace(ENDING, '');
}

/** Label files of a folder and its sub-folders by stem. @throws DataError for two of one stem, or none */
export async function labelFiles(folder: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(folder, { recursive: true }).catch((thrown) => {
    throw new DataError(`cannot read the folder ${folder}: ${reason(thrown)}`, {
      where: folder,
      cause: thrown,
    });
  });
  const files = new Map<string, string>();
  const problems: Problem[] = [];
  for (const name of names.sort()) {
    if (!LABEL_FILE.test(name) || /(^|\/)\./.test(name)) continue;
    const stem = stemOf(name);
    const other = files.get(stem);
    if (other === undefined) files.set(stem, join(folder, name));
    else problems.push({ where: join(folder, name), message: `and ${other} are both named ${stem}` });
  }
  if (files.size === 0)
    throw new DataError(`${folder} holds no masks`, {
      where: folder,
      fix: 'name a folder with label images as TIFF, PNG or npy, one for each image',
    });
  if (problems.length > 0)
    throw new DataError(`${folder} has several masks of one image`, { where: folder, problems });
  return files;
}

/** Pairs by stem. @throws DataError naming every file that has no partner */
export function pairUp(
  truth: ReadonlyMap<string, string>,
  predicted: ReadonlyMap<string, string>,
): { readonly id: string; readonly truth: string; readonly predicted: string }[] {
  const alone = (
    own: ReadonlyMap<string, string>,
    other: ReadonlyMap<string, string>,
    what: string,
  ): Problem[] =>
    [...own].flatMap(([stem, where]) => (other.has(stem) ? [] : [{ where, message: `has no ${what}` }]));
  const problems = [...alone(truth, predicted, 'predicted mask'), ...alone(predicted, truth, 'true mask')];
  if (problems.length > 0)
    throw new DataError(`${problems.length} files have no partner of the same name`, {
      problems,
      fix: 'files belong together when their names agree up to _masks, _cp_masks, _labels, _pred or _gt at the end; an image without cells needs an empty mask',
    });
  return [...truth].map(([id, path]) => ({ id, truth: path, predicted: predicted.get(id) as string }));
}

/**
 * Reads a label image: each object a whole number, 0 is background.
 *
 * @throws DataError for fractions, negative numbers, colour pictures, stacks, and binary masks that are not wanted
 */
export async function readLabelFile(path: string, binary: Binary): Promise<LabelImage> {
  const { shape, data } = await decodeFile(path);
  const [height = 0, width = 0, samples = 1] = shape;
  if (shape.length > 3 || shape.length < 2 || samples > 4)
    throw new DataError(`${path} has the shape ${shape.join(' x ')}; one label image is expected`, {
      where: path,
    });
  const ids = new Uint32Array(height * width);
  for (let i = 0; i < ids.length; i++) {
    const id = data[i * samples] as number;
    if (!Number.isInteger(id) || id < 0 || id > 0xffffffff)
      throw new DataError(
        `${path} has the value ${id} at row ${Math.floor(i / width)}, column ${i % width}`,
        {
          where: path,
          fix: 'labels are whole numbers from 0; probabilities or flows have to be turned into labels first',
        },
      );
    if (samples >= 3 && (data[i * samples + 1] !== id || data[i * samples + 2] !== id))
      throw new DataError(`${path} is a colour picture, not a label image`, {
        where: path,
        fix: 'save labels as one channel of whole numbers',
      });
    ids[i] = id;
  }
  const { labels } = relabel(ids, height, width);
  if (labels.count !== 1 || binary === 'keep') return labels;
  const pieces = components(ids, height, width, 8);
  if (pieces.count === 1 || binary === 'split') return pieces;
  throw new DataError(`${path} is a binary mask: one value for ${pieces.count} separate pieces`, {
    where: path,
    fix: 'add --binary split to take every piece as an object, or --binary keep if it is one object in pieces',
  });
}
