import { readdirSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../core/errors.js';
import { isImageName } from '../segment/imageFile.js';

/** Boxes x0, y0, x1, y1 in pixels for each image, by its name or path. */
export type BoxTable = Readonly<Record<string, readonly (readonly [number, number, number, number])[]>>;

/** Reads the JSON file of given boxes. @throws DataError when it holds something else */
export async function readBoxes(path: string): Promise<BoxTable> {
  const row = z.tuple([z.number(), z.number(), z.number(), z.number()]);
  try {
    return z.record(z.string(), z.array(row)).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (thrown) {
    throw new DataError(`${path} does not hold boxes: ${reason(thrown)}`, {
      where: path,
      fix: 'write {"image.tif": [[x0, y0, x1, y1], ...]} in pixels',
    });
  }
}

/**
 * Files as given, images of folders, and matches of patterns; sorted, our own outputs left out.
 *
 * @throws DataError when there are none
 */
export async function listImages(inputs: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const input of inputs) {
    const kind = statSync(input, { throwIfNoEntry: false });
    const isOneImage = kind?.isFile() || (kind?.isDirectory() && isImageName(input)); // OME-Zarr is a folder
    if (isOneImage) found.add(input);
    else if (kind?.isDirectory()) for (const name of await readdir(input)) addImage(found, join(input, name));
    else for (const path of matches(input)) addImage(found, path);
  }
  if (found.size > 0) return [...found].sort();
  throw new DataError(`no images found in ${inputs.join(', ')}`, {
    where: inputs[0] as string,
    fix: 'give image files, folders of them, or patterns such as images/*.tif',
  });
}

/** `folder/*.tif`: stars and question marks in the last part, for shells that do not expand them. */
function matches(pattern: string): string[] {
  const folder = dirname(pattern);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder || !/[*?]/.test(basename(pattern))) return [];
  const escaped = basename(pattern).replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const expression = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  return readdirSync(folder)
    .filter((name) => expression.test(name))
    .map((name) => join(folder, name));
}

function addImage(found: Set<string>, path: string): void {
  const isOurs = /_(masks\.tif|outlines\.png|overlay\.png|seg\.npy|labels\.ome\.zarr)$/.test(path);
  if (!isOurs && isImageName(path)) found.add(path);
}
