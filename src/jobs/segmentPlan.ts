import { basename, join, resolve } from 'node:path';
import type { Problem } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { removeStaleIn, requireWritable } from '../core/files.js';
import { counted } from '../core/plural.js';
import { outputPath } from '../segment/outputs/outputs.js';
import type { SegmentJob } from './segment.js';
import type { ImageFacts } from './segmentFacts.js';
import { type BoxTable, listImages, readBoxes, sortOut } from './segmentInputs.js';
import { checkSettings, folderOf, type Records, readRecords } from './segmentRecord.js';
import { settingsOf } from './segmentSettings.js';
import { isSameFile, sourceFileOf } from './segmentSource.js';

/** What is to be done, found out before anything is computed. */
export interface SegmentPlan {
  /** All images, and of them those to segment and those whose results are there. */
  readonly paths: readonly string[];
  readonly wanted: readonly string[];
  readonly skipped: readonly string[];
  /** Those skipped whose settings are not known. */
  readonly uncompared: readonly string[];
  /** Images that cannot be segmented, whatever they hold. */
  readonly problems: readonly Problem[];
  readonly boxes: BoxTable | undefined;
  /** Where results go; all of them can be written to. */
  readonly folders: ReadonlySet<string>;
  /** Puts down by which settings an image's results were made. @throws OutputError where that cannot be written */
  remember(path: string, files: readonly string[], facts: ImageFacts): Promise<void>;
}

/**
 * Lists the images, compares what is there with what is asked for, and tries the folders of results.
 *
 * @throws DataError without images or with boxes that cannot be read; OutputError where results are there by other settings
 *   or cannot be written
 */
export async function planOf(config: SegmentJob, { emit }: JobContext): Promise<SegmentPlan> {
  const { save, out } = config;
  const { paths, masks } = await listImages(config.inputs);
  if (masks.length > 0) emit({ kind: 'note', message: leftOutText(masks) });
  const boxes = config.boxes === undefined ? undefined : await readBoxes(config.boxes);
  const settings = await settingsOf(config);
  const records = await readRecords(paths, out);
  await checkSettings(paths, config, records, settings, emit);
  const sorted = await sortOut(paths, config);
  const { wanted } = sorted;
  const others = await ofOtherImages(sorted.skipped, config, records);
  const skipped = sorted.skipped.filter((path) => !others.has(path));
  const problems = [
    ...sorted.problems,
    ...[...others].map(([where, message]): Problem => ({ where, message })),
  ];
  for (const { where = '', message } of problems) emit({ kind: 'warning', message, where });
  const folders = new Set(wanted.map((path) => folderOf(path, out)));
  for (const folder of folders) {
    await requireWritable(folder);
    await removeStaleIn(folder);
  }
  const isKnown = (path: string): boolean => {
    const record = records.get(folderOf(path, out));
    return save.every((name) => record?.settingsOf(basename(outputPath(path, name, out))) !== undefined);
  };
  const uncompared = skipped.filter((path) => !isKnown(path));
  const remember: SegmentPlan['remember'] = async (path, files, facts) => {
    const folder = folderOf(path, out);
    const source = await sourceFileOf(path, folder);
    await records.get(folder)?.add({ image: basename(path), files, facts, source }, settings);
  };
  return { paths, wanted, skipped, uncompared, problems, boxes, folders, remember };
}

/** Images whose results are there but come from another image of that name, or from this one before it was changed. */
async function ofOtherImages(
  paths: readonly string[],
  { save, out }: Pick<SegmentJob, 'save' | 'out'>,
  records: Records,
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const path of paths) {
    const folder = folderOf(path, out);
    for (const name of save) {
      const file = outputPath(path, name, out);
      const source = records.get(folder)?.sourceOf(basename(file));
      if (source === undefined || (await isSameFile(source, path, folder))) continue;
      const isChanged = resolve(folder, source.path) === resolve(path);
      const whose = isChanged ? 'this image as it was before' : `another image, ${join(folder, source.path)}`;
      found.set(
        path,
        `${file} comes from ${whose}; add --overwrite to make it again, or --out for another folder`,
      );
    }
  }
  return found;
}

function leftOutText(masks: readonly string[]): string {
  const isOne = masks.length === 1;
  const list = `${masks.slice(0, 3).join(', ')}${masks.length > 3 ? ', ...' : ''}`;
  return `${counted(masks.length, 'file')} ${isOne ? 'looks' : 'look'} like masks of the images beside them and ${isOne ? 'is' : 'are'} left out: ${list}; name files, or a pattern such as *.png, to segment them too`;
}
