import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { fillOutline } from '../../image/fill.js';
import { type PngImage, readPng } from '../../io/png.js';
import { pngTexts } from '../../io/pngText.js';
import { drawInstances } from '../drawInstances.js';
import { imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { toPixelImage } from '../readImage.js';
import { UNLABELLED } from './beside.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';

const IMAGE = /_Brightfield\.png$/i;
const OUTLINES = '_segoutlines.png';

const options = z.strictObject({
  ...imageOptions,
  plane: z
    .union([z.enum(['middle', 'all']), z.number().int().nonnegative()])
    .default('middle')
    .describe('focal plane to take: the middle one, one by its index from 0, or all as channels'),
});

const description = z.object({
  tilesize: z.tuple([z.number().int().positive(), z.number().int().positive()]),
  ntiles: z.number().int().positive(),
  layout: z.tuple([z.number().int().positive(), z.number().int().positive()]),
  cellLabels: z.union([z.array(z.number()), z.number(), z.null()]).optional(),
  pixel_size: z.number().positive().optional(),
});
type Description = z.infer<typeof description>;

/** BABY: tiles in a row, told of by the PNG's own text; a tile of the image is a focal plane, one of the outlines a cell. */
export const outlineTiles = defineFormat({
  name: 'outlineTiles',
  about: 'BABY: <name>_Brightfield.png with a tile a focal plane, <name>_segoutlines.png with a tile a cell',
  gives: 'masks',
  options,
  detect: async (_, files) =>
    files.some((file) => IMAGE.test(file)) && files.some((file) => file.endsWith(OUTLINES))
      ? { certainty: 0.97 }
      : undefined,
  list: async (root) => {
    const files = await filesBelow(root);
    const refs = files
      .filter((file) => IMAGE.test(file))
      .map((file): FieldRef => {
        const id = file.replace(IMAGE, '');
        const outlines = id + OUTLINES;
        return { id, files: files.includes(outlines) ? [file, outlines] : [file] };
      });
    if (refs.length === 0)
      throw new DataError(`${root} holds no files of the form <name>_Brightfield.png`, { where: root });
    return refs;
  },
  read: async (root, ref, own) => {
    const [imageFile = '', outlineFile] = ref.files;
    const path = join(root, imageFile);
    const planes = await readTiles(path);
    const { height, width } = planes;
    const chosen =
      own.plane === 'all'
        ? planes.tiles
        : [planes.tiles[own.plane === 'middle' ? planes.tiles.length >> 1 : own.plane]];
    const data = chosen.flatMap((tile) => {
      if (tile === undefined)
        throw new DataError(`${path} has ${planes.tiles.length} focal planes, not plane ${own.plane}`, {
          where: path,
        });
      return [...tile];
    });
    const size = own.pixelSizeUm ?? planes.pixelSizeUm;
    const image = toPixelImage(
      {
        shape: [chosen.length, height, width],
        axes: 'cyx',
        data,
        range: planes.range,
        ...(size !== undefined && { pixelSizeUm: [size, size] as const }),
      },
      path,
      own,
    );
    const base = { dataset: 'outlineTiles', ref, image, licence: own.licence };
    if (outlineFile === undefined)
      return makeSample({ ...base, instances: { kind: 'none' }, warnings: [UNLABELLED] });
    const where = join(root, outlineFile);
    const outlines = await readTiles(where);
    if (outlines.height !== height || outlines.width !== width)
      throw new DataError(
        `${where} has tiles of ${outlines.width} x ${outlines.height}, its image of ${width} x ${height}`,
        { where },
      );
    const cells = outlines.tiles.filter((tile) => tile.some((value) => value > 0));
    const { labels, warnings } = drawInstances(
      cells.map((tile) => fillOutline(tile, height, width)),
      height,
      width,
      where,
    );
    return makeSample({
      ...base,
      instances: asLabels(labels),
      objectCount: cells.length,
      warnings: [...warnings, ...surprises(cells.length, outlines)],
    });
  },
});

function surprises(found: number, { told }: Tiles): string[] {
  const { cellLabels } = told;
  const count = Array.isArray(cellLabels)
    ? cellLabels.length
    : cellLabels === null || cellLabels === undefined
      ? 0
      : 1;
  if (found === 0) return ['has no cells: its only outline tile is blank'];
  return count === found ? [] : [`${found} outlines are drawn, ${count} cells are named`];
}

interface Tiles {
  readonly height: number;
  readonly width: number;
  readonly tiles: readonly (Uint8Array | Uint16Array)[];
  readonly range: readonly [number, number];
  readonly pixelSizeUm: number | undefined;
  readonly told: Description;
}

async function readTiles(path: string): Promise<Tiles> {
  const bytes = await readFile(path).catch((thrown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  });
  const png = await readPng(bytes, path);
  const told = describe(bytes, path);
  const { ntiles, tilesize, layout } = told;
  const [height, width] = tilesize;
  const [rows, columns] = layout;
  if (ntiles > rows * columns || rows * height !== png.height || columns * width !== png.width)
    throw new DataError(
      `${path} is ${png.width} x ${png.height}, its text tells of ${rows} x ${columns} tiles of ${width} x ${height}`,
      { where: path },
    );
  const tiles = Array.from({ length: ntiles }, (_, k) =>
    cut(png, Math.floor(k / columns) * height, (k % columns) * width, height, width),
  );
  return { height, width, tiles, range: [0, 2 ** png.depth - 1], pixelSizeUm: told.pixel_size, told };
}

function describe(bytes: Uint8Array, path: string): Description {
  try {
    return description.parse(JSON.parse(pngTexts(bytes).get('Description') ?? ''));
  } catch (thrown) {
    throw new DataError(`${path} has no text \`Description\` that tells of its tiles`, {
      where: path,
      fix: 'copy the original file again: an image program that saved it has dropped its text',
      cause: thrown,
    });
  }
}

function cut(
  png: PngImage,
  top: number,
  left: number,
  height: number,
  width: number,
): Uint8Array | Uint16Array {
  const tile = png.depth === 16 ? new Uint16Array(height * width) : new Uint8Array(height * width);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      tile[y * width + x] = png.data[((top + y) * png.width + left + x) * png.channels] as number;
  return tile;
}
