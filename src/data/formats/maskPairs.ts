import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError, type Problem, reason } from '../../core/errors.js';
import { components, relabel } from '../../image/labels.js';
import { labelSample, readIds, readPixelImage } from '../readImage.js';
import { defineFormat, type FieldRef } from './format.js';

const IMAGE = /\.(png|tiff?|npy)$/i;
const MASK_FOLDER = /^(masks?|labels?|labelsTr|target|GT)$/i;
const MASK_NAME = /_(cp_masks|masks?|labels?|seg)$/i;
const IMAGE_NAME = /_(img|im|imc|image|0000)$/i;

/** An image and a label image with the same stem: in two folders, or told apart by the end of the name. */
export const maskPairs = defineFormat({
  name: 'maskPairs',
  about: 'image + label image of one stem: _img/_masks, _cp_masks, images/ + masks/, source/ + target/',
  gives: 'masks',
  options: z.strictObject({}),
  detect: async () => undefined,
  list,
  read: async (root, ref) => {
    const [imageFile, maskFile] = ref.files as [string, string];
    const image = await readPixelImage(join(root, imageFile));
    const ids = await readIds(join(root, maskFile), image);
    return labelSample('maskPairs', ref, image, relabel(ids, image.height, image.width).labels);
  },
});

/** BBBC039: the mask's red channel is a colour index; touching nuclei differ, distant ones share an index. */
export const bbbc039 = defineFormat({
  name: 'bbbc039',
  about: 'images/ + masks/ whose red channel is a colour index; objects are its 8-connected components',
  gives: 'masks',
  options: z.strictObject({}),
  detect: async () => undefined,
  list,
  read: async (root, ref) => {
    const [imageFile, maskFile] = ref.files as [string, string];
    const image = await readPixelImage(join(root, imageFile));
    const ids = await readIds(join(root, maskFile), image);
    return labelSample('bbbc039', ref, image, components(ids, image.height, image.width, 8));
  },
});

async function list(root: string): Promise<readonly FieldRef[]> {
  const names = await readdir(root, { recursive: true }).catch((thrown) => {
    throw new DataError(`cannot read the dataset folder ${root}: ${reason(thrown)}`, {
      where: root,
      cause: thrown,
    });
  });
  const images = new Map<string, string[]>();
  const masks = new Map<string, string[]>();
  for (const name of names.sort()) {
    if (!IMAGE.test(name) || basename(name).startsWith('.')) continue;
    const stem = basename(name).replace(IMAGE, '');
    const isMask = MASK_NAME.test(stem) || MASK_FOLDER.test(basename(dirname(name)));
    const key = isMask ? stem.replace(MASK_NAME, '') : stem.replace(IMAGE_NAME, '');
    const side = isMask ? masks : images;
    side.set(key, [...(side.get(key) ?? []), name]);
  }
  const problems: Problem[] = [];
  const refs: FieldRef[] = [];
  for (const id of [...new Set([...images.keys(), ...masks.keys()])].sort()) {
    const [image = [], mask = []] = [images.get(id), masks.get(id)];
    if (image.length === 1 && mask.length === 1) refs.push({ id, files: [...image, ...mask] });
    else
      problems.push({
        where: [...image, ...mask].join(', '),
        message: `${id} has ${image.length} images and ${mask.length} masks, one of each is needed`,
      });
  }
  if (problems.length > 0 || refs.length === 0)
    throw new DataError(`${root} does not hold pairs of image and mask`, {
      where: root,
      problems,
      fix: 'complete or remove the files named above; names end in _masks, or masks lie in masks/',
    });
  return refs;
}
