import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { relabel } from '../../image/labels.js';
import { type NpyArray, readNpy } from '../../io/npy.js';
import { openZip } from '../../io/zip.js';
import { labelSample, toPixelImage } from '../readImage.js';
import { defineFormat, type FieldRef } from './format.js';

/** A larger array is refused before it is unpacked. */
const MAX_BYTES = 2 ** 31;

/** npz files with `images`/`labels` or `X`/`y` (TissueNet, DeepCell), frames on the first axis. */
export const npzArrays = defineFormat({
  name: 'npzArrays',
  about:
    'npz files with arrays X and y, or images and labels; frames on the first axis (TissueNet, DeepCell)',
  gives: 'masks',
  options: z.strictObject({}),
  detect: async (_, files) => (files.some((name) => name.endsWith('.npz')) ? { certainty: 0.7 } : undefined),
  list: async (root) => {
    const refs: FieldRef[] = [];
    for (const file of (await namesIn(root)).filter((name) => name.endsWith('.npz')).sort()) {
      const { images } = await arraysOf(join(root, file));
      for (let i = 0; i < (images.shape[0] as number); i++)
        refs.push({ id: `${file}#${String(i).padStart(5, '0')}`, files: [file] });
    }
    if (refs.length === 0) throw new DataError(`${root} holds no npz files with frames`, { where: root });
    return refs;
  },
  read: async (root, ref) => {
    const path = join(root, ref.files[0] as string);
    const { images, labels } = await arraysOf(path);
    const frame = Number(ref.id.slice(ref.id.lastIndexOf('#') + 1));
    const image = toPixelImage(frameOf(images, frame), path);
    const truth = frameOf(labels, frame);
    const [height, width, kinds = 1] = truth.shape;
    if (height !== image.height || width !== image.width || kinds !== 1)
      throw new DataError(`${path} has labels of ${truth.shape.join(' x ')} for its images`, {
        where: path,
        fix: 'keep one kind of label (whole cells or nuclei), of the size of the images',
      });
    const bad = truth.data.findIndex((id) => !Number.isInteger(id) || id < 0);
    if (bad >= 0) throw new DataError(`${path} has the label ${truth.data[bad]}`, { where: path });
    return labelSample('npzArrays', ref, image, relabel(truth.data, image.height, image.width).labels);
  },
});

async function namesIn(root: string): Promise<readonly string[]> {
  return readdir(root).catch((thrown) => {
    throw new DataError(`cannot read the dataset folder ${root}: ${reason(thrown)}`, {
      where: root,
      cause: thrown,
    });
  });
}

async function arraysOf(path: string): Promise<{ images: NpyArray; labels: NpyArray }> {
  const zip = await openZip(path);
  try {
    const one = async (...names: readonly string[]): Promise<NpyArray> => {
      const name = names.find((n) => zip.entries.has(`${n}.npy`));
      const entry = zip.entries.get(`${name}.npy`);
      if (entry === undefined)
        throw new DataError(`${path} has no array ${names.join(' or ')}`, { where: path });
      return readNpy(await zip.read(entry, MAX_BYTES), `${path}:${name}`);
    };
    return { images: await one('images', 'X'), labels: await one('labels', 'y') };
  } finally {
    await zip.close();
  }
}

function frameOf(
  array: NpyArray,
  frame: number,
): { shape: number[]; data: number[]; range: [number, number] } {
  const shape = array.shape.slice(1);
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Array.from(array.data.subarray(frame * size, (frame + 1) * size), Number);
  const high =
    array.dtype === '|u1' ? 255 : array.dtype === '<u2' ? 65535 : data.reduce((a, b) => Math.max(a, b), 0);
  return {
    shape,
    data,
    range: [
      Math.min(
        0,
        data.reduce((a, b) => Math.min(a, b), 0),
      ),
      high,
    ],
  };
}
