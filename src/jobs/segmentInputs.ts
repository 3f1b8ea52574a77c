import { existsSync, readdirSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { z } from 'zod';
import { sentenceOf, valueAt } from '../config/sentences.js';
import { DataError, type Problem, reason } from '../core/errors.js';
import { stemOf } from '../data/formats/folder.js';
import { isImageName, isVendorName } from '../segment/imageFile.js';
import { existingOutputs, type OutputName, outputPath } from '../segment/outputs/outputs.js';
import { masksAmong } from './segmentMasks.js';

/** Boxes x0, y0, x1, y1 in pixels for each image, by its name or path. */
export type BoxTable = Readonly<Record<string, readonly (readonly [number, number, number, number])[]>>;

/** Reads the JSON file of given boxes. @throws DataError when it holds something else */
export async function readBoxes(path: string): Promise<BoxTable> {
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  });
  const row = z.tuple([z.number(), z.number(), z.number(), z.number()]);
  const wrong = (why: string) =>
    new DataError(`${path} does not hold boxes: ${why}`, {
      where: path,
      fix: 'write {"image.tif": [[x0, y0, x1, y1], ...]} in pixels',
    });
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (thrown) {
    throw wrong(reason(thrown));
  }
  const parsed = z.record(z.string(), z.array(row)).safeParse(given);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0] as z.core.$ZodIssue;
  const [image, box] = issue.path;
  const place = box === undefined ? 'what it holds' : `box ${Number(box) + 1} of ${String(image)}`;
  throw wrong(`${place} ${sentenceOf(issue, valueAt(given, issue.path))}`);
}

/** What is to be segmented. */
export interface Listed {
  /** Sorted. */
  readonly paths: readonly string[];
  /** Files of given folders that are masks of images beside them, and are left out. */
  readonly masks: readonly string[];
}

/**
 * Files as given, images of folders, and matches of patterns; our own outputs left out, and masks of images in a folder.
 * Vendors' files in folders are listed too, so that opening them says what to do.
 *
 * @throws DataError when there are none, or a named one is missing
 */
export async function listImages(inputs: readonly string[]): Promise<Listed> {
  const missing = inputs.filter((input) => !/[*?]/.test(basename(input)) && !existsSync(input));
  if (missing.length > 0)
    throw new DataError(`there is no file or folder ${missing.join(', ')}`, {
      where: missing[0] as string,
      fix: 'check the path: an image, a folder of images, or a pattern such as images/*.tif is wanted',
    });
  const byPlace = new Map<string, string>();
  const take = (path: string): void => {
    if (!byPlace.has(resolve(path))) byPlace.set(resolve(path), path);
  };
  const masks: string[] = [];
  for (const input of inputs) {
    const kind = statSync(input, { throwIfNoEntry: false });
    const isOneImage = kind?.isFile() || (kind?.isDirectory() && isImageName(input)); // OME-Zarr is a folder
    if (isOneImage) take(input);
    else if (kind?.isDirectory()) {
      const names = imagesAmong(await namesIn(input));
      const left = new Set(await masksAmong(input, names.filter(isImageName)));
      for (const name of names) if (!left.has(name)) take(join(input, name));
      for (const name of left) masks.push(join(input, name));
    } else for (const path of imagesAmong(matches(input))) take(path);
  }
  if (byPlace.size > 0)
    return {
      paths: [...byPlace.values()].sort(),
      masks: masks.filter((path) => !byPlace.has(resolve(path))),
    };
  throw new DataError(`no images found in ${inputs.join(', ')}`, {
    where: inputs[0] as string,
    fix: 'give image files, folders of them, or patterns such as images/*.tif',
  });
}

/** @throws DataError where the folder cannot be read */
const namesIn = (folder: string): Promise<string[]> =>
  readdir(folder).catch((thrown: unknown) => {
    throw new DataError(`cannot read ${folder}: ${reason(thrown)}`, { where: folder, cause: thrown });
  });

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

/** Images, and vendors' files that were not converted: where an image of the same name lies beside one, it is in use. */
function imagesAmong(names: readonly string[]): string[] {
  const isOurs = /_(masks\.tif|outlines\.png|overlay\.png|seg\.npy|labels\.ome\.zarr)$/;
  const images = names.filter((name) => isImageName(name) && !isOurs.test(name));
  const stems = new Set(images.map(stemOf));
  const vendors = names.filter((name) => isVendorName(name) && !stems.has(stemOf(name)));
  return [...images, ...vendors];
}

/**
 * Images to segment, those that are done, and problems: outputs that are there in part, which is an error without
 * `overwrite`, and two images that would write the same file.
 */
export async function sortOut(
  paths: readonly string[],
  {
    save,
    out,
    overwrite,
  }: { readonly save: readonly OutputName[]; readonly out?: string | undefined; readonly overwrite: boolean },
) {
  const sorted = { wanted: [] as string[], skipped: [] as string[], problems: [] as Problem[] };
  const owners = new Map<string, string>();
  for (const path of paths) {
    if (isVendorName(path)) {
      sorted.wanted.push(path); // opening it says why not
      continue;
    }
    const there = overwrite ? [] : await existingOutputs(path, save, out);
    const target = resolve(outputPath(path, 'tiff', out));
    const owner = owners.get(target);
    if (owner !== undefined) {
      const message = `its results would have the names of those of ${owner}; if one of them is the mask of the other, name the images only, e.g. ${join(dirname(path), `*${extname(owner)}`)}; else segment it on its own with another --out`;
      sorted.problems.push({ where: path, message });
      continue;
    }
    owners.set(target, path);
    if (there.length === 0) sorted.wanted.push(path);
    else if (there.length === save.length) sorted.skipped.push(path);
    else
      sorted.problems.push({
        where: path,
        message: `${there[0]} exists already; add --overwrite, or --out for another folder`,
      });
  }
  return sorted;
}
