import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { decodeFile, type RawImage } from '../../io/decode.js';
import { imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { toIds, toPixelImage } from '../readImage.js';
import { splitOf, withSplits } from './beside.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';
import { objectOptions, objectsOf } from './objects.js';
import { pairUp } from './templates.js';

const SPELLING = { images: '{**}{id}.X.npy', masks: '{**}{id}.y.npy' };
const CHANNELS = ['blank', 'nuclear', 'whole-cell'];

const options = z.strictObject({
  ...imageOptions,
  ...objectOptions,
  datasets: z
    .array(z.string())
    .optional()
    .describe('folders below the parts that are read, e.g. [cellpose]; all when absent'),
});

/**
 * CellSAM's archive: `<split>/<dataset>/<name>.X.npy` of `[3, H, W]`, `[H, W, 3]` (blank, nuclear, whole-cell) or
 * `[H, W, 2]` (nuclear, whole-cell) and `<name>.y.npy` of `[1, H, W]`.
 *
 * The released loader takes every array whose first axis is not 3 as channels last, and so misreads an image three pixels
 * high; here the axis of channels is the one of 2 or 3 values that leaves the size of the labels.
 */
export const cellsamFolders = defineFormat({
  name: 'cellsamFolders',
  about:
    "CellSAM's archive: <split>/<dataset>/<name>.X.npy and <name>.y.npy; channels blank, nuclear, whole-cell",
  gives: 'masks',
  options,
  detect: async (_, files) => (pairUp(files, SPELLING).pairs.length > 0 ? { certainty: 0.97 } : undefined),
  list: async (root, { datasets }) => {
    const isWanted = (file: string) =>
      datasets === undefined ||
      file
        .split('/')
        .slice(0, -1)
        .some((part) => datasets.includes(part));
    const { pairs, unpaired } = pairUp((await filesBelow(root)).filter(isWanted), SPELLING);
    if (pairs.length === 0 || unpaired.length > 0)
      throw new DataError(`${root} does not hold pairs of <name>.X.npy and <name>.y.npy`, {
        where: root,
        problems: unpaired.map(({ images, masks }) => ({
          where: [...images, ...masks].join(', '),
          message: images.length > 0 ? 'has no labels' : 'has no image',
        })),
        fix: 'complete or remove the files named above',
      });
    return withSplits(
      pairs.map(({ key, images, mask }): FieldRef => {
        const split = splitOf(mask.replace(/_crop_\d+\//, '/'));
        return { id: key, files: [...images, mask], ...(split && { split }) };
      }),
    );
  },
  read: async (root, ref, own) => {
    const [imageFile = '', maskFile = ''] = ref.files;
    const [path, maskPath] = [join(root, imageFile), join(root, maskFile)];
    const mask = await decodeFile(maskPath);
    const [height, width] = mask.shape.filter((_, i) => !(mask.shape.length === 3 && i === 0));
    const labels: RawImage = { ...mask, shape: [height ?? 0, width ?? 0], axes: 'yx' };
    if (mask.shape.length > 3 || (mask.shape.length === 3 && mask.shape[0] !== 1))
      throw new DataError(`${maskPath} has the shape ${mask.shape.join(' x ')}, not 1 x H x W`, {
        where: maskPath,
      });
    const raw = await decodeFile(path);
    const axes = axesOf(raw.shape, height ?? 0, width ?? 0);
    if (axes === undefined)
      throw new DataError(`${path} has the shape ${raw.shape.join(' x ')}, its labels ${height} x ${width}`, {
        where: path,
      });
    const count = raw.shape[axes.search(/[cs]/)] ?? 1;
    const channels = count === 1 ? ['whole-cell'] : CHANNELS.slice(-count);
    const image = toPixelImage({ ...raw, axes, channels }, path, own);
    const ids = toIds(labels, maskPath, image);
    const found = objectsOf(ids, image.height, image.width, own).labels;
    const { licence } = own;
    return makeSample({ dataset: 'cellsamFolders', ref, image, instances: asLabels(found), licence });
  },
});

function axesOf(shape: readonly number[], height: number, width: number): string | undefined {
  const [a, b, c] = shape;
  if (shape.length === 2 && a === height && b === width) return 'yx';
  if (shape.length !== 3) return undefined;
  if (a === 3 && b === height && c === width) return 'cyx';
  if (a === height && b === width && (c === 2 || c === 3)) return 'yxs';
  return undefined;
}
