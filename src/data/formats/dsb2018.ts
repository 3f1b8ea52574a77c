import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, type Problem, reason } from '../../core/errors.js';
import type { PixelImage } from '../../image/types.js';
import { type PngImage, readPng } from '../../io/png.js';
import { drawInstances } from '../drawInstances.js';
import { asLabels, makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import type { Sample } from '../sample.js';
import { defineFormat, type FieldRef } from './format.js';
import { IncompleteError } from './incomplete.js';

/** Data Science Bowl 2018 (BBBC038): `<id>/images/<id>.png` and one PNG for each object in `<id>/masks/`. */
export const dsb2018 = defineFormat({
  name: 'dsb2018',
  about: 'one folder an image, one PNG an object (Data Science Bowl 2018)',
  gives: 'masks',
  options: z.strictObject({}),
  detect: async (_, files) =>
    files.some((name) => /^[^/]+\/masks\/[^/]+\.png$/i.test(name)) &&
    files.some((name) => /^[^/]+\/images\/[^/]+\.png$/i.test(name))
      ? { certainty: 0.9 }
      : undefined,
  list,
  read,
});

async function list(root: string): Promise<readonly FieldRef[]> {
  const entries = await readdir(root, { withFileTypes: true }).catch((thrown) => {
    throw new DataError(`cannot read the dataset folder ${root}: ${reason(thrown)}`, {
      where: root,
      fix: 'set data.root to the folder that holds the images',
      cause: thrown,
    });
  });
  const folders = entries
    .filter((e) => e.isDirectory() && !e.name.startsWith('.'))
    .map((e) => e.name)
    .sort();
  const problems: Problem[] = [];
  const refs: FieldRef[] = [];
  for (const id of folders) {
    const images = await pngs(join(root, id, 'images'));
    const masks = await pngs(join(root, id, 'masks'));
    if (images.length !== 1)
      problems.push({
        where: join(root, id),
        message: `has ${images.length} images in images/, one is needed`,
      });
    else if (masks.length === 0) problems.push({ where: join(root, id), message: 'has no masks in masks/' });
    else
      refs.push({
        id,
        files: [join(id, 'images', images[0] as string), ...masks.map((m) => join(id, 'masks', m))],
      });
  }
  if (refs.length === 0 && problems.length === 0)
    problems.push({ where: root, message: 'holds no folders of the form <id>/images and <id>/masks' });
  if (problems.length > 0) {
    const fix = 'remove or complete the folders named above';
    throw new IncompleteError(
      `${root} is not a complete DSB 2018 folder`,
      { where: root, problems, fix },
      refs,
    );
  }
  return refs;
}

async function pngs(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.toLowerCase().endsWith('.png') && !name.startsWith('.')).sort();
}

async function read(root: string, ref: FieldRef): Promise<Sample> {
  const [imageFile, ...maskFiles] = ref.files as [string, ...string[]];
  const image = await readPixelImage(join(root, imageFile));
  const objects: Uint32Array[] = [];
  for (const file of maskFiles) objects.push(await readMask(join(root, file), image));
  const { labels, warnings } = drawInstances(objects, image.height, image.width, join(root, ref.id));
  return makeSample({
    dataset: 'dsb2018',
    ref,
    image,
    instances: asLabels(labels),
    objectCount: objects.length,
    warnings,
    licence: 'CC0-1.0',
  });
}

/** The flat indexes of a mask's pixels. */
async function readMask(path: string, image: PixelImage): Promise<Uint32Array> {
  const png = await readPng(readSmall(path), path);
  const { width, height, channels, data } = png;
  if (width !== image.width || height !== image.height) {
    throw new DataError(`${path} is ${width} x ${height}, its image ${image.width} x ${image.height}`, {
      where: path,
    });
  }
  const found = nonZero(data, channels);
  if (found.length === 0)
    throw new DataError(`${path} is an empty mask`, { where: path, fix: 'remove the file' });
  return found;
}

/** Pixels whose first sample is above 0. Four at a time where the bytes allow: nearly all of a mask is background. */
function nonZero(data: PngImage['data'], channels: number): Uint32Array {
  const found: number[] = [];
  const words =
    channels === 1 && data.BYTES_PER_ELEMENT === 1 && data.byteOffset % 4 === 0
      ? new Uint32Array(data.buffer, data.byteOffset, data.length >> 2)
      : new Uint32Array(0);
  for (let w = 0; w < words.length; w++)
    if (words[w] !== 0) for (let i = 4 * w; i < 4 * w + 4; i++) if ((data[i] as number) > 0) found.push(i);
  for (let i = 4 * words.length; i * channels < data.length; i++)
    if ((data[i * channels] as number) > 0) found.push(i);
  return Uint32Array.from(found);
}

/** At once, not by promises: masks have a few hundred bytes, and there are 17,651 of them. */
function readSmall(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  }
}
