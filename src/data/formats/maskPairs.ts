import { join } from 'node:path';
import { z } from 'zod';
import type { Problem } from '../../core/errors.js';
import { decodeFile } from '../../io/decode.js';
import { type ImageOptions, imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { readIds, readPixelImage, toIds, toPixelImage, warningsOf } from '../readImage.js';
import { joinChannels } from './channelFiles.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef, type Recognised } from './format.js';
import { IncompleteError } from './incomplete.js';
import { guessObjects, objectOptions, objectsOf } from './objects.js';
import { chooseSpelling } from './spellings.js';
import { pairUp, type Spelling } from './templates.js';

/** Which files are images and masks. */
export const pairOptions = {
  images: z
    .union([z.string(), z.record(z.string(), z.string())])
    .optional()
    .describe(
      'where images lie, e.g. `{set}/images/{id}.tif`; or one such path a channel, by name. The usual spellings are known',
    ),
  masks: z.string().optional().describe('where masks lie, e.g. `{set}/masks/{id}_mask`; no ending means any'),
  variable: z.string().optional().describe('array in MATLAB masks, e.g. `inst_map`'),
  unpaired: z
    .enum(['error', 'skip'])
    .default('error')
    .describe('what to do about images without masks and masks without images'),
};

const options = z.strictObject({ ...imageOptions, ...objectOptions, ...pairOptions });
type Options = z.infer<typeof options>;

/** An image and a label image with the same stem: in two folders, or told apart by the name. */
export const maskPairs = defineFormat({
  name: 'maskPairs',
  about:
    'image + label image: _img/_masks, _cp_masks, _seg.npy, images/ + masks/, source/ + target/, imagesTr/ + labelsTr/, X.npy + y.npy',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    const chosen = chooseSpelling(files);
    if (chosen === undefined) return undefined;
    const [first] = chosen.pairs;
    const kind = await kindOf(join(root, first?.mask ?? '')).catch(() => undefined);
    return recognised(chosen.explained, kind);
  },
  list: (root, own) => listPairs(root, own),
  read: readPair,
});

/** BBBC039: the mask's red channel is a colour index; touching nuclei differ, distant ones share an index. */
export const bbbc039 = defineFormat({
  name: 'bbbc039',
  about: 'images/ + masks/ whose red channel is a colour index; objects are its 8-connected components',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    const chosen = chooseSpelling(files);
    const mask = chosen?.pairs[0]?.mask;
    if (chosen === undefined || mask === undefined || !/\.png$/i.test(mask)) return undefined;
    const raw = await decodeFile(join(root, mask)).catch(() => undefined);
    if (raw === undefined || raw.shape.at(-1) !== 4) return undefined;
    const isIndex = !Array.prototype.some.call(
      raw.data,
      (value: number, i) => i % 4 < 3 && value > (i % 4 === 0 ? 8 : 0),
    );
    return isIndex ? { certainty: 0.9 * chosen.explained } : undefined;
  },
  list: (root, own) => listPairs(root, own),
  read: async (root, ref, own) => readPair(root, ref, { ...own, objects: 'pieces' }, 'bbbc039'),
});

function recognised(
  explained: number,
  kind: ReturnType<typeof guessObjects> | 'volume',
): Recognised | undefined {
  if (kind === 'volume') return undefined;
  return { certainty: 0.8 * explained, ...(kind && { options: { objects: kind } }) };
}

async function kindOf(mask: string): Promise<ReturnType<typeof guessObjects> | 'volume'> {
  const raw = await decodeFile(mask);
  if (raw.shape.length > 3 || /[tzq]/.test(raw.axes)) return 'volume';
  const [height = 0, width = 0] = ['y', 'x'].map((axis) => raw.shape[raw.axes.indexOf(axis)] as number);
  return guessObjects(toIds(raw, mask, undefined), height, width);
}

/** Complete pairs, or one error that names all that is incomplete. */
export async function listPairs(root: string, own: Options | PairOptions): Promise<readonly FieldRef[]> {
  const files = await filesBelow(root);
  const pairing =
    own.images !== undefined && own.masks !== undefined
      ? pairUp(files, { images: own.images, masks: own.masks } satisfies Spelling)
      : chooseSpelling(files);
  const problems: Problem[] = (pairing?.unpaired ?? []).map(({ key, images, masks }) => ({
    where: [...images, ...masks].join(', '),
    message: `${key} has ${images.length} images and ${masks.length} masks, one of each is needed`,
  }));
  const refs = (pairing?.pairs ?? []).map(({ key, images, mask }) => ({
    id: key || 'image',
    files: [...images, mask],
    ...(pairing?.channels && { channels: pairing.channels }),
  }));
  if (refs.length === 0 || (problems.length > 0 && own.unpaired === 'error'))
    throw new IncompleteError(
      `${root} does not hold pairs of image and mask`,
      {
        where: root,
        problems,
        fix: 'complete or remove the files named above, tell where they lie with the options `images` and `masks`, or set `unpaired: skip`',
      },
      refs,
    );
  return refs;
}

export type PairOptions = z.infer<z.ZodObject<typeof pairOptions>>;

async function readPair(root: string, ref: FieldRef, own: Options, dataset = 'maskPairs') {
  const maskFile = join(root, ref.files.at(-1) as string);
  const images = ref.files.slice(0, -1);
  const { image, warnings } = await readChannels(root, images, ref.channels, own);
  const ids = await readIds(maskFile, image, own.variable);
  const { labels } = objectsOf(ids, image.height, image.width, own);
  return makeSample({ dataset, ref, image, instances: asLabels(labels), warnings, licence: own.licence });
}

/** One image of one or several files, a channel each. */
async function readChannels(
  root: string,
  files: readonly string[],
  names: readonly string[] | undefined,
  own: ImageOptions,
) {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0) {
    const path = join(root, only);
    const raw = await decodeFile(path);
    return { image: toPixelImage(raw, path, own), warnings: warningsOf(raw) };
  }
  const images = await Promise.all(files.map((file) => readPixelImage(join(root, file))));
  return { image: joinChannels(images, files, names, own), warnings: [] };
}
