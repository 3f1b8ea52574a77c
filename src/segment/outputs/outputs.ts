import { rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { OutputError, throwIfAborted } from '../../core/errors.js';
import { asOutputError, exists, makeFolder, temporaryBeside } from '../../core/files.js';
import { labelTiff } from './labelTiff.js';
import { omeZarr } from './omeZarr.js';
import type { Output, OutputInput } from './output.js';
import { outlinePng, overlayPng } from './png.js';
import { roiZip } from './roiZip.js';
import { segNpy } from './segNpy.js';
import { cocoJson, geoJson, measurementsCsv } from './text.js';

/** All that `--save` knows, by name. */
export const outputs = {
  tiff: labelTiff,
  outlines: outlinePng,
  overlay: overlayPng,
  rois: roiZip,
  geojson: geoJson,
  coco: cocoJson,
  csv: measurementsCsv,
  npy: segNpy,
  zarr: omeZarr,
} as const satisfies Record<string, Output>;

export type OutputName = keyof typeof outputs;
export const outputNames = Object.keys(outputs) as OutputName[];

/** Where an output of an image goes: beside it, or in `folder`. */
export function outputPath(imagePath: string, name: OutputName, folder?: string): string {
  const stem = basename(imagePath, extname(imagePath)).replace(/\.ome$/i, '');
  return join(folder ?? dirname(imagePath), `${stem}${outputs[name].suffix}`);
}

/** Which of the wanted outputs are there already. */
export async function existingOutputs(
  imagePath: string,
  names: readonly OutputName[],
  folder?: string,
): Promise<string[]> {
  const paths = names.map((name) => outputPath(imagePath, name, folder));
  const found = await Promise.all(paths.map(exists));
  return paths.filter((_, i) => found[i]);
}

/**
 * Writes the outputs of one image: all of them, or, when one cannot be written, none. Each is written under a temporary
 * name, and they get their own names together at the end.
 *
 * @throws OutputError where one exists and `mayOverwrite` is false; nothing is written then
 */
export async function saveOutputs(
  input: OutputInput,
  imagePath: string,
  names: readonly OutputName[],
  options: { readonly folder?: string; readonly mayOverwrite?: boolean; readonly signal?: AbortSignal } = {},
): Promise<string[]> {
  const there = await existingOutputs(imagePath, names, options.folder);
  if (there.length > 0 && options.mayOverwrite !== true) {
    throw new OutputError(`${there[0]} exists already`, {
      where: there[0] as string,
      fix: 'add --overwrite to replace it, or --out to write elsewhere',
    });
  }
  const paths = names.map((name) => outputPath(imagePath, name, options.folder));
  const temporaries = paths.map(temporaryBeside);
  const [first] = paths;
  if (first === undefined) return [];
  try {
    await makeFolder(dirname(first));
    for (const [i, name] of names.entries()) {
      throwIfAborted(options.signal);
      await outputs[name].write(input, temporaries[i] as string);
    }
    for (const [i, path] of paths.entries()) {
      if (names[i] === 'zarr') await rm(path, { recursive: true, force: true }); // a rename cannot replace a folder
      await rename(temporaries[i] as string, path);
    }
    return paths;
  } catch (thrown) {
    for (const temporary of temporaries)
      await rm(temporary, { force: true, recursive: true }).catch(() => undefined); // below a file there is nothing
    throw asOutputError(first, thrown);
  }
}
