import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { fillRings } from '../../image/fill.js';
import { type ImageJRoi, readRoi } from '../../io/imagejRoi.js';
import { openZip } from '../../io/zip.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED } from './beside.js';
import { defineFormat } from './format.js';
import { drawObjects } from './shapes.js';

const isRois = (file: string): boolean => /\.(zip|roi)$/i.test(file);
const MAX_ROI = 1 << 24;

/** ImageJ's ROI manager: `x.zip`, `x_rois.zip`, `RoiSet_x.zip` or `x.roi` beside `x.tif`. */
export const roiZip = defineFormat({
  name: 'roiZip',
  about:
    'ImageJ: a zip of ROIs (or one .roi) beside each image: polygons, freehand, ovals, rectangles, composites',
  gives: 'masks',
  options: z.strictObject(imageOptions),
  detect: async (_, files) => {
    const found = files.filter(isRois);
    return found.length === 0 ? undefined : { certainty: found.some((f) => /roi/i.test(f)) ? 0.9 : 0.6 };
  },
  list: (root) =>
    listBeside(root, {
      isAnnotation: isRois,
      stem: (s) => s.replace(/^RoiSet[_-]?|[_-](rois?|RoiSet)$/i, ''),
      called: 'ROI zips',
    }),
  read: async (root, ref, own) => {
    const [imageFile = '', annotation] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const base = { dataset: 'roiZip', ref, image, licence: own.licence };
    if (annotation === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const where = join(root, annotation);
    const rois = await roisIn(where);
    const areas = rois.filter(({ kind }) => kind === 'area');
    const others = rois.length - areas.length;
    const told = others === 0 ? [] : [`${others} points or lines are left out: they enclose nothing`];
    const objects = areas.map(({ rings }) => fillRings(rings, image.height, image.width));
    const drawn = drawObjects(objects, image, where);
    return makeSample({ ...base, ...drawn, warnings: [...drawn.warnings, ...told] });
  },
});

async function roisIn(path: string): Promise<ImageJRoi[]> {
  const read = (bytes: Uint8Array, name: string): ImageJRoi => {
    try {
      return readRoi(bytes);
    } catch (thrown) {
      throw new DataError(`${name} cannot be read: ${reason(thrown)}`, {
        where: path,
        fix: "save the regions again with ImageJ's ROI manager",
        cause: thrown,
      });
    }
  };
  if (/\.roi$/i.test(path)) return [read(await readFile(path), path)];
  const zip = await openZip(path);
  try {
    const rois: ImageJRoi[] = [];
    for (const [name, entry] of [...zip.entries].sort(([a], [b]) => (a < b ? -1 : 1)))
      if (/\.roi$/i.test(name)) rois.push(read(await zip.read(entry, MAX_ROI), `${path}/${name}`));
    return rois;
  } finally {
    await zip.close();
  }
}
