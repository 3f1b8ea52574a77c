import { basename } from 'node:path';
import type { Problem } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { removeStaleIn, requireWritable } from '../core/files.js';
import { counted } from '../core/plural.js';
import { outputPath } from '../segment/outputs/outputs.js';
import type { SegmentJob } from './segment.js';
import type { ImageFacts } from './segmentFacts.js';
import { type BoxTable, listImages, readBoxes, sortOut } from './segmentInputs.js';
import { checkSettings, folderOf, readRecords } from './segmentRecord.js';
import { settingsOf } from './segmentSettings.js';

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
  if (settings !== undefined) await checkSettings(paths, config, records, settings, emit);
  const { wanted, skipped, problems } = await sortOut(paths, config);
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
    if (settings !== undefined)
      await records.get(folderOf(path, out))?.add(basename(path), files, settings, facts);
  };
  return { paths, wanted, skipped, uncompared, problems, boxes, folders, remember };
}

function leftOutText(masks: readonly string[]): string {
  const isOne = masks.length === 1;
  const list = `${masks.slice(0, 3).join(', ')}${masks.length > 3 ? ', ...' : ''}`;
  return `${counted(masks.length, 'file')} ${isOne ? 'looks' : 'look'} like masks of the images beside them and ${isOne ? 'is' : 'are'} left out: ${list}; name files, or a pattern such as *.png, to segment them too`;
}
