import type { z } from 'zod';
import { knownKeys } from '../../config/problems.js';
import { sentenceOf, valueAt } from '../../config/sentences.js';
import { ConfigError, type Problem } from '../../core/errors.js';
import { didYouMean } from '../../core/nearest.js';
import type { DatasetFormat, FormatDefinition } from './format.js';

/** Every dataset layout: one file and one line here. */
export const FORMATS = {
  dsb2018: async () => (await import('./dsb2018.js')).dsb2018,
  maskPairs: async () => (await import('./maskPairs.js')).maskPairs,
  bbbc039: async () => (await import('./maskPairs.js')).bbbc039,
  npzArrays: async () => (await import('./npzArrays.js')).npzArrays,
  volumes: async () => (await import('./volumes.js')).volumes,
  outlineTiles: async () => (await import('./outlineTiles.js')).outlineTiles,
  voc: async () => (await import('./voc.js')).voc,
  points: async () => (await import('./points.js')).points,
  yolo: async () => (await import('./yolo.js')).yolo,
  yoloMasks: async () => (await import('./yolo.js')).yoloMasks,
  csvBoxes: async () => (await import('./csvBoxes.js')).csvBoxes,
  cellsamFolders: async () => (await import('./cellsamFolders.js')).cellsamFolders,
  coco: async () => (await import('./coco.js')).coco,
  geojson: async () => (await import('./geojson.js')).geojson,
  labelme: async () => (await import('./labelme.js')).labelme,
  roiZip: async () => (await import('./roiZip.js')).roiZip,
  omeZarr: async () => (await import('./omeZarr.js')).omeZarr,
  tfrecord: async () => (await import('./tfrecord.js')).tfrecord,
} as const satisfies Readonly<Record<string, () => Promise<FormatDefinition>>>;

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as [FormatName, ...FormatName[]];

/** The layout as its file describes it. @throws ConfigError with the nearest known name */
export function formatDefinition(name: string): Promise<FormatDefinition> {
  const load = FORMATS[name as FormatName] as (() => Promise<FormatDefinition>) | undefined;
  if (load === undefined) {
    throw new ConfigError(`there is no dataset type \`${name}\`${didYouMean(name, FORMAT_NAMES)}`, {
      where: 'data.type',
      fix: `choose one of ${FORMAT_NAMES.join(', ')}`,
    });
  }
  return load();
}

/**
 * A layout with its options set.
 *
 * @param options what stands under `data.options`
 * @throws ConfigError with the nearest known name, for the type and for each unknown option
 */
export async function formatNamed(
  name: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<DatasetFormat> {
  const definition = await formatDefinition(name);
  const parsed = definition.options.safeParse(options);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) => sentences(issue, definition, options));
    throw new ConfigError(`the options of the dataset type ${name} are not right`, {
      where: 'data.options',
      problems,
      fix: `its options: ${knownKeys(definition.options, []).join(', ') || 'none'}`,
    });
  }
  return {
    name,
    about: definition.about,
    list: (root) => definition.list(root, parsed.data),
    read: (root, ref) => definition.read(root, ref, parsed.data),
  };
}

function sentences(issue: z.core.$ZodIssue, definition: FormatDefinition, given: unknown): Problem[] {
  const at = (path: readonly PropertyKey[]): string => ['data.options', ...path.map(String)].join('.');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      where: at([...issue.path, key]),
      message: `unknown key${didYouMean(key, knownKeys(definition.options, issue.path))}`,
    }));
  return [{ where: at(issue.path), message: sentenceOf(issue, valueAt(given, issue.path)) }];
}
