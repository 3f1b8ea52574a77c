import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, type Problem, reason } from '../../core/errors.js';
import { sha256 } from '../../core/hash.js';
import type { PixelImage } from '../../image/types.js';
import { readPng } from '../../io/png.js';
import { drawInstances } from '../drawInstances.js';
import type { Sample } from '../sample.js';
import type { DatasetFormat, FieldRef } from './format.js';

/** Data Science Bowl 2018 (BBBC038): `<id>/images/<id>.png` and one PNG for each object in `<id>/masks/`. */
export const dsb2018: DatasetFormat = {
  name: 'dsb2018',
  about: 'one folder an image, one PNG an object (Data Science Bowl 2018)',
  list,
  read,
};

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
    throw new DataError(`${root} is not a complete DSB 2018 folder`, {
      where: root,
      problems,
      fix: 'remove or complete the folders named above',
    });
  }
  return refs;
}

async function pngs(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name.toLowerCase().endsWith('.png') && !name.startsWith('.')).sort();
}

async function read(root: string, ref: FieldRef): Promise<Sample> {
  const [imageFile, ...maskFiles] = ref.files as [string, ...string[]];
  const image = await readColour(join(root, imageFile));
  const objects: Uint32Array[] = [];
  for (const file of maskFiles) objects.push(await readMask(join(root, file), image));
  const { labels, warnings } = drawInstances(objects, image.height, image.width, join(root, ref.id));
  return {
    id: ref.id,
    image,
    instances: { kind: 'labels', labels },
    objectCount: objects.length,
    warnings,
    source: {
      dataset: 'dsb2018',
      files: ref.files,
      licence: 'CC0-1.0',
      contentHash: sha256(`${image.height}x${image.width}`, image.data),
    },
  };
}

/** Grey images stay one channel, colour ones keep three; alpha is dropped. Equal channels are one grey channel. */
async function readColour(path: string): Promise<PixelImage> {
  const png = await readPng(await readFile(path), path);
  const colours = png.channels >= 3 ? 3 : 1;
  const pixels = png.width * png.height;
  const isGrey =
    colours === 1 || Array.from({ length: pixels }).every((_, i) => isEqual(png.data, i * png.channels));
  const kept = isGrey ? 1 : 3;
  const data = new Float32Array(pixels * kept);
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < kept; c++) data[i * kept + c] = png.data[i * png.channels + c] as number;
  const channels = isGrey ? ['whole-cell'] : ['red', 'green', 'blue'];
  return { height: png.height, width: png.width, channels, data, range: [0, 2 ** png.depth - 1] };
}

const isEqual = (data: ArrayLike<number>, at: number): boolean =>
  data[at] === data[at + 1] && data[at] === data[at + 2];

async function readMask(path: string, image: PixelImage): Promise<Uint32Array> {
  const png = await readPng(await readFile(path), path);
  if (png.width !== image.width || png.height !== image.height) {
    throw new DataError(
      `${path} is ${png.width} x ${png.height}, its image ${image.width} x ${image.height}`,
      { where: path },
    );
  }
  const pixels: number[] = [];
  for (let i = 0; i < png.width * png.height; i++)
    if ((png.data[i * png.channels] as number) > 0) pixels.push(i);
  if (pixels.length === 0)
    throw new DataError(`${path} is an empty mask`, { where: path, fix: 'remove the file' });
  return Uint32Array.from(pixels);
}
