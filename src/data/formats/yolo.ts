import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { fillRings } from '../../image/fill.js';
import type { PixelImage } from '../../image/types.js';
import { checkBoxes, type GivenBox } from '../boxAnnotation.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { listBeside, UNLABELLED } from './beside.js';
import { defineFormat, type FieldRef, type Recognised } from './format.js';
import { drawObjects } from './shapes.js';

const isText = (file: string): boolean =>
  /\.txt$/i.test(file) && !/(^|\/)(readme|licen[cs]e|classes|labels|train|val|test)\.[^/]*$/i.test(file);

const options = z.strictObject({
  ...imageOptions,
  classes: z.array(z.string()).optional().describe('names of the classes 0, 1, ...; else their numbers'),
});
type Options = z.infer<typeof options>;

/** YOLO's text files: `class cx cy w h` a line, as shares of the image's sides. */
export const yolo = defineFormat({
  name: 'yolo',
  about: 'YOLO: a text file an image with `class cx cy w h` a line, as shares of its sides; boxes only',
  gives: 'boxes',
  options,
  detect: (root, files) => recognise(root, files, 5),
  list,
  read: async (root, ref, own) => {
    const { image, rows, base } = await readField(root, ref, own, 'yolo');
    if (rows === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const boxes = rows.map(({ name, numbers }): GivenBox => {
      const [cx = 0, cy = 0, w = 0, h = 0] = numbers.length === 4 ? numbers : around(numbers);
      const edges = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
      const xyxy = edges.map((edge, i) => edge * (i % 2 === 0 ? image.width : image.height));
      return { xyxy: xyxy as [number, number, number, number], name };
    });
    return makeSample({ ...base, ...checkBoxes(boxes, image) });
  },
});

/** YOLO's segmentation files: `class x y x y ...` a line, one outline an object. */
export const yoloMasks = defineFormat({
  name: 'yoloMasks',
  about: 'YOLO segmentation: a text file an image with `class x1 y1 x2 y2 ...` a line, an outline an object',
  gives: 'masks',
  options,
  detect: (root, files) => recognise(root, files, 7),
  list,
  read: async (root, ref, own) => {
    const { image, rows, base, where } = await readField(root, ref, own, 'yoloMasks');
    if (rows === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const objects = rows.map(({ numbers, line }) => {
      if (numbers.length < 6 || numbers.length % 2 !== 0)
        throw new DataError(
          `${where}, line ${line}: an outline of ${numbers.length} numbers encloses nothing`,
          {
            where,
            fix: 'boxes are read by the type `yolo`',
          },
        );
      const ring = numbers.map((share, i) => share * (i % 2 === 0 ? image.width : image.height));
      return fillRings([ring], image.height, image.width);
    });
    return makeSample({ ...base, ...drawObjects(objects, image, where) });
  },
});

function list(root: string): Promise<readonly FieldRef[]> {
  return listBeside(root, { isAnnotation: isText, called: "YOLO's text files" });
}

async function recognise(
  root: string,
  files: readonly string[],
  least: number,
): Promise<Recognised | undefined> {
  for (const file of files.filter(isText).slice(0, 3)) {
    const lines = (await readFile(join(root, file), 'utf8').catch(() => '')).trim().split('\n');
    const rows = lines.map((line) => line.trim().split(/\s+/).map(Number));
    const areShares = rows.every(
      (row) => row.length >= 5 && row.slice(1).every((n) => n >= -0.5 && n <= 1.5),
    );
    if (
      areShares &&
      rows.every((row) => row.length % 2 === 1 && (least === 5 ? row.length === 5 : row.length >= 7))
    )
      return { certainty: 0.85 };
  }
  return undefined;
}

interface Row {
  readonly name: string;
  readonly numbers: readonly number[];
  readonly line: number;
}

async function readField(root: string, ref: FieldRef, own: Options, dataset: string) {
  const [imageFile = '', annotation] = ref.files;
  const image: PixelImage = await readPixelImage(join(root, imageFile), own);
  const base = { dataset, ref, image, licence: own.licence };
  if (annotation === undefined) return { image, base, rows: undefined, where: '' };
  const where = join(root, annotation);
  const rows: Row[] = [];
  for (const [i, text] of (await readFile(where, 'utf8')).split('\n').entries()) {
    if (text.trim() === '') continue;
    const [name = '', ...words] = text.trim().split(/\s+/);
    const numbers = words.map(Number);
    if (numbers.length < 4 || !numbers.every(Number.isFinite))
      throw new DataError(`${where}, line ${i + 1}: \`${text.trim().slice(0, 60)}\` is no line of YOLO`, {
        where,
      });
    if (numbers.some((n) => n < -0.5 || n > 1.5))
      throw new DataError(
        `${where}, line ${i + 1}: coordinates are shares of the image's sides, from 0 to 1`,
        {
          where,
          fix: 'divide x by the width and y by the height',
        },
      );
    rows.push({ name: own.classes?.[Number(name)] ?? name, numbers, line: i + 1 });
  }
  return { image, base, rows, where };
}

/** Centre and size of an outline. */
function around(numbers: readonly number[]): number[] {
  const [xs, ys] = [numbers.filter((_, i) => i % 2 === 0), numbers.filter((_, i) => i % 2 === 1)];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0];
}
