import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { fromArray } from '../../io/decode.js';
import { type Frame, NpzFile } from '../../io/npz.js';
import { type ImageOptions, imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { toPixelImage } from '../readImage.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';
import { objectOptions, objectsOf } from './objects.js';

/** TissueNet's order of the kinds of label: the opposite of its images' channels. */
const KINDS = ['whole-cell', 'nuclear'];

const options = z.strictObject({
  ...imageOptions,
  ...objectOptions,
  images: z.string().optional().describe('name of the array of images; X or images when absent'),
  masks: z.string().optional().describe('name of the array of labels; y or labels when absent'),
  kind: z
    .union([z.enum(['whole-cell', 'nuclear']), z.number().int().nonnegative()])
    .default('whole-cell')
    .describe('which labels to take where the last axis has several: TissueNet has whole-cell, then nuclear'),
});
type Options = z.infer<typeof options>;

/** npz files with `images`/`labels` or `X`/`y` (TissueNet, DeepCell), frames on the first axis. */
export const npzArrays = defineFormat({
  name: 'npzArrays',
  about:
    'npz files with arrays X and y, or images and labels; frames on the first axis (TissueNet, DeepCell)',
  gives: 'masks',
  options,
  detect: async (_, files) => (files.some((name) => name.endsWith('.npz')) ? { certainty: 0.7 } : undefined),
  list: async (root, own) => {
    const refs: FieldRef[] = [];
    for (const file of (await filesBelow(root)).filter((name) => name.endsWith('.npz'))) {
      const npz = await NpzFile.open(join(root, file));
      try {
        const names = arraysOf(npz, own, join(root, file));
        const [images, masks] = [await npz.header(names.images), await npz.header(names.masks)];
        if (images.shape[0] !== masks.shape[0])
          throw new DataError(
            `${join(root, file)} has ${images.shape[0]} images and ${masks.shape[0]} masks`,
            {
              where: join(root, file),
            },
          );
        for (let i = 0; i < (images.shape[0] ?? 0); i++)
          refs.push({ id: `${file}#${String(i).padStart(5, '0')}`, files: [file] });
      } finally {
        await npz.close();
      }
    }
    if (refs.length === 0) throw new DataError(`${root} holds no npz files with frames`, { where: root });
    return refs;
  },
  read: async (root, ref, own) => {
    const path = join(root, ref.files[0] as string);
    const frame = Number(ref.id.slice(ref.id.lastIndexOf('#') + 1));
    const npz = await NpzFile.open(path);
    try {
      const names = arraysOf(npz, own, path);
      const image = imageOf(await npz.frame(names.images, frame), `${path}:${names.images}`, own);
      const ids = idsOf(await npz.frame(names.masks, frame), `${path}:${names.masks}`, image, own);
      const { labels } = objectsOf(ids, image.height, image.width, own);
      const { licence } = own;
      return makeSample({ dataset: 'npzArrays', ref, image, instances: asLabels(labels), licence });
    } finally {
      await npz.close();
    }
  },
});

function arraysOf(npz: NpzFile, own: Options, path: string): { images: string; masks: string } {
  const pick = (wanted: string | undefined, usual: readonly string[]): string => {
    const name = wanted ?? usual.find((n) => npz.names.includes(n));
    if (name === undefined)
      throw new DataError(`${path} has no array ${usual.join(' or ')}`, {
        where: path,
        fix: `name it with the options \`images\` and \`masks\`; there are ${npz.names.join(', ') || 'none'}`,
      });
    return name;
  };
  return { images: pick(own.images, ['X', 'images']), masks: pick(own.masks, ['y', 'labels', 'masks']) };
}

/** Frames are `[H, W]` or `[H, W, C]`, never channels first; two channels are nuclear and whole-cell. */
function imageOf({ shape, data }: Frame, where: string, own: ImageOptions) {
  const raw = fromArray(shape, data, where);
  const axes = shape.length === 3 ? 'yxs' : raw.axes;
  const named = shape.length === 3 && shape[2] === 2 ? { channels: ['nuclear', 'whole-cell'] } : {};
  return toPixelImage({ ...raw, axes, ...named }, where, own);
}

function idsOf(
  { shape, data }: Frame,
  where: string,
  image: { readonly height: number; readonly width: number },
  own: Options,
): Uint32Array {
  const [height = 0, width = 0, kinds = 1] = shape;
  const kind = kinds === 1 ? 0 : typeof own.kind === 'number' ? own.kind : KINDS.indexOf(own.kind);
  if (
    height !== image.height ||
    width !== image.width ||
    shape.length > 3 ||
    kind >= kinds ||
    (kinds > 2 && typeof own.kind !== 'number')
  )
    throw new DataError(
      `${where} has labels of ${shape.join(' x ')} for images of ${image.height} x ${image.width}`,
      {
        where,
        fix:
          kinds > 2
            ? 'choose one kind of label by its index with the option `kind`'
            : 'save labels of the size of the images',
      },
    );
  return Uint32Array.from({ length: height * width }, (_, i) => {
    const id = Number(data[i * kinds + kind]);
    if (Number.isInteger(id) && id >= 0) return id;
    throw new DataError(`${where} has the label ${id}`, {
      where,
      fix: 'save labels as whole numbers from 0',
    });
  });
}
