import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { fillRings, union } from '../../image/fill.js';
import type { PixelImage } from '../../image/types.js';
import { readJson } from '../../io/json.js';
import { readPng } from '../../io/png.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED } from './beside.js';
import { readHead } from './folder.js';
import { defineFormat } from './format.js';
import { drawObjects, ellipse, ringOf } from './shapes.js';

const isJson = (file: string): boolean => /\.json$/i.test(file);

const shape = z.object({
  label: z.string().default('cell'),
  points: z.array(z.array(z.number()).length(2)),
  group_id: z.union([z.number(), z.string()]).nullish(),
  shape_type: z.string().default('polygon'),
  mask: z.string().nullish(),
});
const document = z.object({
  shapes: z.array(shape),
  imageHeight: z.number().nullish(),
  imageWidth: z.number().nullish(),
});
type LabelMeShape = z.infer<typeof shape>;

/** LabelMe: a JSON file beside each image; shapes of one `group_id` are parts of one object. */
export const labelme = defineFormat({
  name: 'labelme',
  about: 'LabelMe: a JSON file beside each image, with polygons, rectangles, circles or masks',
  gives: 'masks',
  options: z.strictObject(imageOptions),
  detect: async (root, files) => {
    const first = files.find(isJson);
    return first !== undefined && /"shapes"\s*:/.test(await readHead(join(root, first)))
      ? { certainty: 0.95 }
      : undefined;
  },
  list: (root) => listBeside(root, { isAnnotation: isJson, called: "LabelMe's JSON files" }),
  read: async (root, ref, own) => {
    const [imageFile = '', annotation] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const base = { dataset: 'labelme', ref, image, licence: own.licence };
    if (annotation === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const where = join(root, annotation);
    const parsed = await readJson(where);
    try {
      const { shapes, imageHeight, imageWidth } = document.parse(parsed);
      if ((imageHeight ?? image.height) !== image.height || (imageWidth ?? image.width) !== image.width)
        throw new Error(
          `it was drawn on ${imageWidth} x ${imageHeight}, the image is ${image.width} x ${image.height}`,
        );
      const { objects, others } = await objectsIn(shapes, image, where);
      const told = others === 0 ? [] : [`${others} points or lines are left out: they enclose nothing`];
      const drawn = drawObjects(objects, image, where);
      return makeSample({ ...base, ...drawn, warnings: [...drawn.warnings, ...told] });
    } catch (thrown) {
      if (thrown instanceof DataError) throw thrown;
      throw new DataError(`${where} is no file of LabelMe: ${reason(thrown)}`, { where, cause: thrown });
    }
  },
});

async function objectsIn(shapes: readonly LabelMeShape[], image: PixelImage, where: string) {
  const groups = new Map<string, Uint32Array[]>();
  let others = 0;
  for (const [i, one] of shapes.entries()) {
    const pixels = await pixelsOf(one, image, where);
    if (pixels === undefined) others++;
    else {
      const key =
        one.group_id === null || one.group_id === undefined ? `#${i}` : `${one.label}/${one.group_id}`;
      groups.set(key, [...(groups.get(key) ?? []), pixels]);
    }
  }
  return { objects: [...groups.values()].map(union), others };
}

async function pixelsOf(
  one: LabelMeShape,
  image: PixelImage,
  where: string,
): Promise<Uint32Array | undefined> {
  const { height, width } = image;
  const [[x0 = 0, y0 = 0] = [], [x1 = 0, y1 = 0] = []] = one.points;
  switch (one.shape_type) {
    case 'polygon':
      return fillRings([ringOf(one.points)], height, width);
    case 'rectangle':
      return fillRings([[x0, y0, x1, y0, x1, y1, x0, y1]], height, width);
    case 'circle': {
      const radius = Math.hypot(x1 - x0, y1 - y0); // the second point lies on the circle
      return fillRings([ellipse(x0 - radius, y0 - radius, x0 + radius, y0 + radius)], height, width);
    }
    case 'mask': {
      const png = await readPng(Buffer.from(one.mask ?? '', 'base64'), `${where}: the mask of ${one.label}`);
      const [left, top] = [Math.round(x0), Math.round(y0)];
      const pixels: number[] = [];
      for (let y = 0; y < png.height; y++)
        for (let x = 0; x < png.width; x++) {
          const isOn = (png.data[(y * png.width + x) * png.channels] as number) > 0;
          const [column, row] = [left + x, top + y];
          if (isOn && column >= 0 && row >= 0 && column < width && row < height)
            pixels.push(row * width + column);
        }
      return Uint32Array.from(pixels);
    }
    default:
      return undefined;
  }
}
