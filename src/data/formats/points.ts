import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED } from './beside.js';
import { defineFormat } from './format.js';

const isText = (file: string): boolean =>
  /\.txt$/i.test(file) && !/(^|\/)(readme|licen[cs]e|classes)[^/]*$/i.test(file);

/** Centres without a size: `x y` or `x y class` a line, in a text file of the image's stem (Chula RBC-12). */
export const points = defineFormat({
  name: 'points',
  about:
    'one text file an image with a line `x y class` an object; centres only, so nothing is trained on them',
  gives: 'points',
  options: z.strictObject(imageOptions),
  detect: async (root, files) => {
    for (const file of files.filter(isText).slice(0, 3)) {
      const lines = (await readFile(join(root, file), 'utf8').catch(() => '')).trim().split('\n');
      const rows = lines.map((line) => line.trim().split(/[\s,]+/));
      if (rows.every((row) => row.length === 2 || row.length === 3) && rows.some((row) => Number(row[0]) > 1))
        return { certainty: 0.8 };
    }
    return undefined;
  },
  list: (root) => listBeside(root, { isAnnotation: isText, called: 'text files of points' }),
  read: async (root, ref, own) => {
    const [imageFile = '', annotation] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const base = { dataset: 'points', ref, image, licence: own.licence };
    if (annotation === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const path = join(root, annotation);
    const xy: number[] = [];
    const classes: string[] = [];
    const warnings: string[] = [];
    for (const [i, line] of (await readFile(path, 'utf8')).split('\n').entries()) {
      if (line.trim() === '') continue;
      const [x = '', y = '', name = 'cell', ...more] = line.trim().split(/[\s,]+/);
      if (![x, y].every((n) => n !== '' && Number.isFinite(Number(n))) || more.length > 0)
        throw new DataError(`${path}, line ${i + 1}: \`${line.trim()}\` is not \`x y class\``, {
          where: path,
        });
      xy.push(Number(x), Number(y));
      classes.push(name);
      if (Number(x) < 0 || Number(y) < 0 || Number(x) > image.width || Number(y) > image.height)
        warnings.push(`the point (${x}, ${y}) lies outside the image of ${image.width} x ${image.height}`);
    }
    if (xy.length === 0)
      warnings.push('its label file is empty: an image without objects, or a forgotten one');
    return makeSample({
      ...base,
      instances: { kind: 'points', xy: Float32Array.from(xy), classes },
      warnings,
    });
  },
});
