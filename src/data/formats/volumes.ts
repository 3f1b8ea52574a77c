import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { relabel } from '../../image/labels.js';
import { decodeFile, type RawImage } from '../../io/decode.js';
import { imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { planesOf, toIds, toPixelImage, warningsOf } from '../readImage.js';
import { defineFormat, type FieldRef } from './format.js';
import { listPairs, pairOptions } from './maskPairs.js';
import { chooseSpelling } from './spellings.js';

const options = z.strictObject({ ...imageOptions, ...pairOptions });

/** The volume decoded last: its planes are asked for one by one, and each would cost decoding all of them. */
let last: { readonly path: string; readonly raw: Promise<RawImage> } | undefined;
let lastMask: typeof last;

/** Volumes, films or stacks with label volumes: every plane is a field; ids are counted once a volume. */
export const volumes = defineFormat({
  name: 'volumes',
  about:
    'stack + label stack (TIFF, NIfTI, OME-Zarr, npy), every plane an image; an id counts once in its volume',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    const chosen = chooseSpelling(files);
    const mask = chosen?.pairs[0]?.mask;
    if (chosen === undefined || mask === undefined) return undefined;
    const raw = await decodeFile(join(root, mask)).catch(() => undefined);
    if (raw === undefined || planesOf(raw, 'planes') < 2) return undefined;
    return { certainty: 0.85 * chosen.explained };
  },
  list: async (root, own) => {
    const refs: FieldRef[] = [];
    for (const { id, files } of await listPairs(root, own)) {
      const [image = '', mask = ''] = files;
      const planes = planesOf(await decodeFile(join(root, mask)), 'planes');
      const digits = String(planes - 1).length;
      for (let i = 0; i < planes; i++)
        refs.push({ id: `${id}#${String(i).padStart(digits, '0')}`, files: [image, mask] });
    }
    return refs;
  },
  read: async (root, ref, own) => {
    const [file = '', maskFile = ''] = ref.files;
    const [path, maskPath] = [join(root, file), join(root, maskFile)];
    if (last?.path !== path) last = { path, raw: decodeFile(path) };
    if (lastMask?.path !== maskPath) lastMask = { path: maskPath, raw: decodeFile(maskPath) };
    const [raw, mask] = [await last.raw, await lastMask.raw];
    const plane = Number(ref.id.slice(ref.id.lastIndexOf('#') + 1));
    const pages = raw.axes.includes('q') ? 'planes' : own.pages;
    if (planesOf(raw, pages) !== planesOf(mask, 'planes'))
      throw new DataError(
        `${path} has ${planesOf(raw, pages)} planes, its masks ${planesOf(mask, 'planes')}`,
        {
          where: maskPath,
        },
      );
    const image = toPixelImage(raw, path, { ...own, pages }, plane);
    const { labels, ids } = relabel(toIds(mask, maskPath, image, plane), image.height, image.width);
    return makeSample({
      dataset: 'volumes',
      ref,
      image,
      instances: asLabels(labels),
      warnings: warningsOf(raw),
      licence: own.licence,
      volume: { file: maskFile, plane, ids },
    });
  },
});
