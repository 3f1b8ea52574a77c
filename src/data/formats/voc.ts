import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { allOf, readXml, textOf, type XmlElement } from '../../io/xml.js';
import { checkBoxes, type GivenBox } from '../boxAnnotation.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED, withSplits } from './beside.js';
import { filesBelow, stemOf } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';

const isXml = (file: string): boolean => /\.xml$/i.test(file);
/** VOC's names of the parts; `trainval` repeats the first two. */
const PARTS: readonly (readonly [list: string, split: NonNullable<FieldRef['split']>])[] = [
  ['train', 'train'],
  ['val', 'val'],
  ['test', 'heldout'],
];

/** Pascal VOC: `Annotations/*.xml` with boxes, images of the same stem, parts in `ImageSets/Main`. */
export const voc = defineFormat({
  name: 'voc',
  about: 'Pascal VOC: an XML file of boxes for each image, parts in ImageSets/Main',
  gives: 'boxes',
  options: z.strictObject(imageOptions),
  detect: async (root, files) => {
    const first = files.find(isXml);
    if (first === undefined) return undefined;
    const text = await readFile(join(root, first), 'utf8').catch(() => '');
    return text.includes('<bndbox>') || text.includes('<annotation') ? { certainty: 0.95 } : undefined;
  },
  list: async (root) => {
    const refs = await listBeside(root, { isAnnotation: isXml, called: 'XML annotations' });
    const lists = (await filesBelow(root)).filter((file) =>
      /(^|\/)ImageSets\/[^/]+\/[^/]+\.txt$/i.test(file),
    );
    const splits = new Map<string, NonNullable<FieldRef['split']>>();
    for (const [name, split] of PARTS)
      for (const file of lists.filter((list) => list.endsWith(`/${name}.txt`)))
        for (const id of (await readFile(join(root, file), 'utf8')).split(/\s+/)) splits.set(id, split);
    if (splits.size === 0) return refs;
    return withSplits(
      refs.map(({ id, files }) => {
        const split = splits.get(stemOf(id));
        return split === undefined ? { id, files } : { id, files, split };
      }),
    );
  },
  read: async (root, ref, own) => {
    const [imageFile = '', annotation] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const base = { dataset: 'voc', ref, image, licence: own.licence };
    if (annotation === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const path = join(root, annotation);
    const boxes = await boxesIn(path);
    return makeSample({ ...base, ...checkBoxes(boxes, image) });
  },
});

async function boxesIn(path: string): Promise<GivenBox[]> {
  try {
    return allOf(readXml(await readFile(path, 'utf8')), 'object').map(boxOf);
  } catch (thrown) {
    throw new DataError(`${path} is no annotation in Pascal VOC's form: ${reason(thrown)}`, {
      where: path,
      fix: 'export the boxes again',
      cause: thrown,
    });
  }
}

/** Edges as they are written: whether a tool counts from 0 or from 1 the file does not tell. */
function boxOf(object: XmlElement): GivenBox {
  const [box] = allOf(object, 'bndbox');
  const edge = (name: string): number => {
    const text = box && textOf(box, name);
    return text === undefined || text === '' ? Number.NaN : Number(text);
  };
  const xyxy = [edge('xmin'), edge('ymin'), edge('xmax'), edge('ymax')] as const;
  return { xyxy, name: textOf(object, 'name') || 'cell' };
}
