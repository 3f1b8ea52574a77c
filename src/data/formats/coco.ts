import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { fillRings, union } from '../../image/fill.js';
import { runPixels, unpackRuns } from '../../image/rle.js';
import type { PixelImage } from '../../image/types.js';
import { IMAGE_FILE } from '../../io/decode.js';
import { type Place, readRecords, visitRecords } from '../../io/jsonRecords.js';
import { checkBoxes } from '../boxAnnotation.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { withSplits } from './beside.js';
import { filesBelow, readHead } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';
import { drawObjects } from './shapes.js';

const options = z.strictObject({
  ...imageOptions,
  annotations: z
    .string()
    .optional()
    .describe('JSON file below the root; every JSON file with images and annotations when absent'),
});

const imageRecord = z.object({
  id: z.union([z.number(), z.string()]),
  file_name: z.string().min(1),
  height: z.number().optional(),
  width: z.number().optional(),
});
const runs = z.object({
  size: z.tuple([z.number(), z.number()]),
  counts: z.union([z.string(), z.array(z.number())]),
});
const annotationRecord = z.object({
  id: z.union([z.number(), z.string()]).optional(),
  category_id: z.union([z.number(), z.string()]).optional(),
  iscrowd: z.union([z.number(), z.boolean()]).optional(),
  bbox: z.array(z.number()).length(4).optional(),
  segmentation: z.union([z.array(z.array(z.number())), runs]).optional(),
});
type Annotation = z.infer<typeof annotationRecord>;

/** COCO JSON with polygons, run lengths or boxes; LIVECell's files of any size, whose records are read one by one. */
export const coco = defineFormat({
  name: 'coco',
  about: 'COCO JSON with polygons, run lengths or boxes (LIVECell); images are found by name below the root',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    for (const file of files.filter((name) => name.endsWith('.json')).slice(0, 5)) {
      const head = await readHead(join(root, file));
      if (/"(images|annotations|categories)"\s*:\s*[[{]/.test(head)) return { certainty: 0.95 };
    }
    return undefined;
  },
  list: async (root, own) => {
    const files = await filesBelow(root);
    const named =
      own.annotations === undefined ? files.filter((file) => file.endsWith('.json')) : [own.annotations];
    const byName = new Map<string, string>();
    for (const file of files.filter((name) => IMAGE_FILE.test(name))) {
      const parts = file.split('/');
      for (let k = 0; k < parts.length; k++) byName.set(parts.slice(k).join('/'), file);
    }
    const refs: FieldRef[] = [];
    for (const file of named) refs.push(...(await listFile(root, file, byName)));
    if (refs.length === 0)
      throw new DataError(`${root} holds no COCO annotations`, {
        where: root,
        fix: 'put the JSON file with `images` and `annotations` below data.root, or name it with the option `annotations`',
      });
    return withSplits(refs).sort((a, b) => (a.id < b.id ? -1 : 1));
  },
  read: async (root, ref, own) => {
    const [imageFile = '', annotationFile = '', places = ''] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const where = join(root, annotationFile);
    const records = await readRecords(where, placesOf(places));
    const base = {
      dataset: 'coco',
      ref: { id: ref.id, files: [imageFile, annotationFile] },
      image,
      licence: own.licence,
    };
    try {
      return makeSample({
        ...base,
        ...annotated(
          records.map((record) => annotationRecord.parse(record)),
          image,
          where,
        ),
      });
    } catch (thrown) {
      throw new DataError(`${where}: the annotations of ${imageFile} are not COCO's: ${reason(thrown)}`, {
        where: join(root, imageFile),
        fix: 'export the annotations again',
        cause: thrown,
      });
    }
  },
});

async function listFile(
  root: string,
  file: string,
  byName: ReadonlyMap<string, string>,
): Promise<FieldRef[]> {
  const path = join(root, file);
  const images: z.infer<typeof imageRecord>[] = [];
  const own = new Map<string, Place[]>();
  await visitRecords(path, ['images', 'annotations'], (key, record, place) => {
    if (key === 'images') {
      const image = imageRecord.safeParse(record);
      if (!image.success)
        throw new DataError(`${path}: the image at byte ${place.offset} has no id or file_name`, {
          where: path,
        });
      images.push(image.data);
    } else {
      const { image_id: id } = record as { image_id?: unknown };
      if (typeof id !== 'number' && typeof id !== 'string')
        throw new DataError(`${path}: the annotation at byte ${place.offset} has no image_id`, {
          where: path,
        });
      const list = own.get(String(id));
      if (list === undefined) own.set(String(id), [place]);
      else list.push(place);
    }
  });
  if (images.length === 0) return [];
  const missing = images.filter(({ file_name }) => !byName.has(file_name));
  if (missing.length > 0)
    throw new DataError(`${missing.length} of ${images.length} images of ${path} are not below ${root}`, {
      where: path,
      problems: missing.slice(0, 20).map(({ file_name }) => ({ where: file_name, message: 'is not there' })),
      fix: 'put the images below data.root, in any folder',
    });
  const known = new Set(images.map(({ id }) => String(id)));
  const lost = [...own.keys()].filter((id) => !known.has(id));
  if (lost.length > 0)
    throw new DataError(`${path} has annotations of ${lost.length} images that it does not list`, {
      where: path,
      problems: lost
        .slice(0, 20)
        .map((id) => ({ where: `image_id ${id}`, message: 'is in no entry of `images`' })),
    });
  const split = /train/i.test(file)
    ? 'train'
    : /val/i.test(file)
      ? 'val'
      : /test/i.test(file)
        ? 'heldout'
        : undefined;
  return images.map(({ id, file_name }) => ({
    id: byName.get(file_name) as string,
    files: [
      byName.get(file_name) as string,
      file,
      (own.get(String(id)) ?? []).map((p) => `${p.offset}+${p.length}`).join(' '),
    ],
    ...(split && { split }),
  }));
}

const placesOf = (text: string): Place[] =>
  text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => {
      const [offset = 0, length = 0] = part.split('+').map(Number);
      return { offset, length };
    });

/** In the order of their ids; crowds, which are regions and not objects, are left out. */
function annotated(all: readonly Annotation[], image: PixelImage, where: string) {
  const sorted = [...all].sort((a, b) => Number(a.id ?? 0) - Number(b.id ?? 0));
  const single = sorted.filter(({ iscrowd }) => iscrowd !== 1 && iscrowd !== true);
  const crowds = all.length - single.length;
  const told = crowds === 0 ? [] : [`${crowds} crowd regions are left out: they are no single objects`];
  const hasMask = single.map(
    ({ segmentation }) =>
      segmentation !== undefined && (!Array.isArray(segmentation) || segmentation.length > 0),
  );
  const isBoxesOnly = single.length > 0 && !hasMask.includes(true);
  if (!isBoxesOnly && hasMask.includes(false))
    throw new Error(`${hasMask.filter((has) => !has).length} of ${single.length} objects have no mask`);
  const drawn = isBoxesOnly
    ? checkBoxes(
        single.map(({ bbox, category_id }) => {
          const [x = Number.NaN, y = Number.NaN, w = 0, h = 0] = bbox ?? [];
          return { xyxy: [x, y, x + w, y + h] as const, name: String(category_id ?? 'cell') };
        }),
        image,
      )
    : drawObjects(
        single.map(({ segmentation }) => pixelsOf(segmentation, image)),
        image,
        where,
      );
  return { ...drawn, warnings: [...drawn.warnings, ...told] };
}

function pixelsOf(segmentation: Annotation['segmentation'], { height, width }: PixelImage): Uint32Array {
  if (segmentation === undefined) return new Uint32Array();
  if (Array.isArray(segmentation)) return union(segmentation.map((ring) => fillRings([ring], height, width)));
  const [rows, columns] = segmentation.size;
  if (rows !== height || columns !== width)
    throw new Error(`run lengths of ${rows} x ${columns} do not fit the image of ${height} x ${width}`);
  const { counts } = segmentation;
  return runPixels(typeof counts === 'string' ? unpackRuns(counts) : counts, height, width);
}
