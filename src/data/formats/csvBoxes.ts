import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { readCsv } from '../../io/csv.js';
import { IMAGE_FILE } from '../../io/decode.js';
import { checkBoxes } from '../boxAnnotation.js';
import { imageOptions } from '../imageOptions.js';
import { makeSample } from '../makeSample.js';
import { readPixelImage } from '../readImage.js';
import { withSplits } from './beside.js';
import { filesBelow, readHead, stemOf } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';

/** What the columns are called; compared without case, blanks and underscores. */
const NAMES = {
  image: ['image', 'imageid', 'filename', 'file', 'imagename', 'imagepath', 'path', 'name'],
  x0: ['xmin', 'x0', 'x1', 'left'],
  y0: ['ymin', 'y0', 'y1', 'top'],
  x1: ['xmax', 'x2', 'right'],
  y1: ['ymax', 'y2', 'bottom'],
  x: ['x', 'bboxx'],
  y: ['y', 'bboxy'],
  w: ['w', 'width', 'bboxwidth', 'bboxw'],
  h: ['h', 'height', 'bboxheight', 'bboxh'],
  class: ['class', 'label', 'celltype', 'category', 'type'],
} as const;
type Column = keyof typeof NAMES;

const options = z.strictObject({
  ...imageOptions,
  file: z.string().optional().describe('the CSV file below the root; needed where there are several'),
  columns: z
    .partialRecord(z.enum(Object.keys(NAMES) as [Column, ...Column[]]), z.string())
    .optional()
    .describe('names of columns that are called otherwise, e.g. {image: slide, x0: from_x}'),
});
type Options = z.infer<typeof options>;

/** One CSV file with a line a box: `image, xmin, ymin, xmax, ymax, class`, or x, y, width, height. */
export const csvBoxes = defineFormat({
  name: 'csvBoxes',
  about:
    'a CSV file with a line a box: image, xmin, ymin, xmax, ymax (or x, y, width, height), class; boxes only',
  gives: 'boxes',
  options,
  detect: async (root, files) => {
    for (const file of files.filter((name) => /\.csv$/i.test(name)).slice(0, 3)) {
      const [first = []] = readCsv(
        (await readHead(join(root, file))).split(/\r?\n/)[0]?.replaceAll('"', '') ?? '',
      );
      if (columnsOf(first, {}) !== undefined) return { certainty: 0.85 };
    }
    return undefined;
  },
  list: async (root, own) => {
    const { byImage, file } = await readTable(root, own);
    const files = await filesBelow(root);
    const images = files.filter((name) => IMAGE_FILE.test(name));
    const problems = [...byImage.keys()]
      .filter((name) => find(images, name) === undefined)
      .map((name) => ({ where: name, message: `is named in ${file} and not below ${root}` }));
    if (problems.length > 0 || byImage.size === 0)
      throw new DataError(`${join(root, file)} does not fit the images below ${root}`, {
        where: file,
        problems,
      });
    const refs = [...byImage.keys()].map((name): FieldRef => {
      const image = find(images, name) as string;
      return { id: image, files: [image, file, name] };
    });
    return withSplits(refs).sort((a, b) => (a.id < b.id ? -1 : 1));
  },
  read: async (root, ref, own) => {
    const [imageFile = '', file = '', name = ''] = ref.files;
    const image = await readPixelImage(join(root, imageFile), own);
    const { byImage } = await readTable(root, { ...own, file });
    const boxes = byImage.get(name) ?? [];
    const base = { dataset: 'csvBoxes', ref: { id: ref.id, files: [imageFile, file] }, image };
    return makeSample({ ...base, ...checkBoxes(boxes, image), licence: own.licence });
  },
});

type Boxes = Map<string, { readonly xyxy: [number, number, number, number]; readonly name: string }[]>;

async function readTable(root: string, own: Options): Promise<{ byImage: Boxes; file: string }> {
  const files = (await filesBelow(root)).filter((name) => /\.csv$/i.test(name));
  const file = own.file ?? files[0];
  if (file === undefined || (own.file === undefined && files.length > 1))
    throw new DataError(`${root} holds ${files.length} CSV files`, {
      where: root,
      fix: `name the one with the boxes with the option \`file\`${files.length > 1 ? `: ${files.join(', ')}` : ''}`,
    });
  const where = join(root, file);
  const rows = await readFile(where, 'utf8')
    .then(readCsv)
    .catch((thrown) => {
      throw new DataError(`cannot read ${where}: ${reason(thrown)}`, { where, cause: thrown });
    });
  const [head = []] = rows;
  const columns = columnsOf(head, own.columns ?? {});
  if (columns === undefined)
    throw new DataError(`${where} has no columns for image, xmin, ymin, xmax and ymax`, {
      where,
      fix: `it has ${head.join(', ')}; tell which is which with the option \`columns\``,
    });
  const byImage: Boxes = new Map();
  for (const [i, row] of rows.slice(1).entries()) {
    const name = row[columns.image] ?? '';
    const numbers = columns.edges.map((column) => (row[column] === '' ? Number.NaN : Number(row[column])));
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = numbers;
    if (name === '') throw new DataError(`${where}, row ${i + 2} names no image`, { where });
    const xyxy: [number, number, number, number] = columns.hasSize
      ? [x0, y0, x0 + x1, y0 + y1]
      : [x0, y0, x1, y1];
    const box = { xyxy, name: row[columns.class] || 'cell' };
    const list = byImage.get(name);
    if (list === undefined) byImage.set(name, [box]);
    else list.push(box);
  }
  return { byImage, file };
}

function columnsOf(head: readonly string[], named: Partial<Record<Column, string>>) {
  const plain = head.map((name) => name.toLowerCase().replace(/[\s_-]/g, ''));
  const at = (column: Column): number => {
    const own = named[column];
    if (own !== undefined) return head.indexOf(own);
    return NAMES[column].map((name) => plain.indexOf(name)).find((index) => index >= 0) ?? -1;
  };
  const image = at('image');
  const corners = (['x0', 'y0', 'x1', 'y1'] as const).map(at);
  const sized = (['x', 'y', 'w', 'h'] as const).map(at);
  const hasSize = corners.includes(-1);
  const edges = hasSize ? sized : corners;
  return image < 0 || edges.includes(-1) ? undefined : { image, edges, hasSize, class: at('class') };
}

/** An image by its path, its name, or its name without the ending. */
function find(images: readonly string[], name: string): string | undefined {
  const plain = name.replaceAll('\\', '/');
  const last = plain.slice(plain.lastIndexOf('/') + 1);
  return (
    images.find((file) => file === plain) ??
    images.find((file) => file.endsWith(`/${plain}`)) ??
    images.find((file) => file === last || file.endsWith(`/${last}`)) ??
    images.find((file) => stemOf(file) === last)
  );
}
