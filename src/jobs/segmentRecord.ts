import { appendFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { OutputError } from '../core/errors.js';
import type { EventListener } from '../core/events.js';
import { asOutputError, exists, readTextIfThere } from '../core/files.js';
import { counted } from '../core/plural.js';
import { type OutputName, outputNames, outputPath } from '../segment/outputs/outputs.js';
import type { ImageFacts } from './segmentFacts.js';
import { differences, idOf, type Settings } from './segmentSettings.js';
import { type SourceFile, sourceFile } from './segmentSource.js';

/**
 * The file in a folder of results that tells by which settings they were made. Lines are only ever added, each in one
 * write, so that a run may be killed and several may write to one folder; of two lines about a file the later one holds.
 */
export const RECORD = 'cellsam-segment.jsonl';

const settingsLine = z.object({ id: z.string(), settings: z.record(z.string(), z.unknown()) });
const number = z.number().nullable();
const facts = z.object({
  cells: z.number(),
  medianAreaPx: number,
  meanScore: number,
  boxThreshold: number,
  zoom: number,
}) satisfies z.ZodType<ImageFacts>;
const resultLine = z.object({
  image: z.string(),
  files: z.array(z.string()),
  by: z.string(),
  facts,
  source: sourceFile.optional(),
});

/** What is known of one image's results: names without folders. */
export type ImageResult = z.infer<typeof resultLine>;

/** What is put down of one image's results. */
export interface NewResult {
  readonly image: string;
  readonly files: readonly string[];
  readonly facts: ImageFacts;
  readonly source: SourceFile;
}

/** What is known of the files of one folder. */
export interface FolderRecord {
  /** The settings behind a file; undefined where that is not known. */
  settingsOf(file: string): Settings | undefined;
  /** The image behind a file; undefined where that is not known. */
  sourceOf(file: string): SourceFile | undefined;
  /** What is known of files, but for what was made anew since; sorted by the image's name, of one image the latest last. */
  results(): ImageResult[];
  /** Adds one image's results to the file, unless it says the same already. @throws OutputError where it cannot be written */
  add(result: NewResult, settings: Settings): Promise<void>;
}

/** Reads a folder's record; an empty one where there is none. Lines that a killed process left unfinished are passed over. */
export async function readRecord(folder: string): Promise<FolderRecord> {
  const path = join(folder, RECORD);
  const byId = new Map<string, Settings>();
  const ofFile = new Map<string, ImageResult>();
  const all: ImageResult[] = [];
  const take = (result: ImageResult): void => {
    all.push(result);
    for (const file of result.files) ofFile.set(file, result);
  };
  const text = await readTextIfThere(path).catch((thrown) => {
    if (thrown.code === 'ENOTDIR') return undefined; // a file in the folder's place: trying to write says so
    throw asOutputError(path, thrown);
  });
  let isUnfinished = text !== undefined && text !== '' && !text.endsWith('\n');
  for (const line of (text ?? '').split('\n').map(parsed)) {
    const settings = settingsLine.safeParse(line);
    if (settings.success) byId.set(settings.data.id, settings.data.settings);
    const result = resultLine.safeParse(line);
    if (result.success) take(result.data);
  }
  return {
    settingsOf: (file) => byId.get(ofFile.get(file)?.by ?? ''),
    sourceOf: (file) => ofFile.get(file)?.source,
    results: () => {
      const holds = (result: ImageResult): boolean =>
        result.files.some((file) => ofFile.get(file) === result);
      return all.filter(holds).sort((a, b) => (a.image === b.image ? 0 : a.image < b.image ? -1 : 1));
    },
    add: async ({ image, files, facts: own, source }, settings) => {
      const by = idOf(settings);
      const names = files.map((file) => basename(file));
      const result = { image, files: names, by, facts: own, source };
      const told = JSON.stringify(result);
      if (names.every((file) => JSON.stringify(ofFile.get(file)) === told)) return; // made again, the same
      const lines = [...(byId.has(by) ? [] : [JSON.stringify({ id: by, settings })]), told];
      const added = `${isUnfinished ? '\n' : ''}${lines.join('\n')}\n`;
      isUnfinished = true; // until all of it is there
      await appendFile(path, added).catch((thrown) => {
        throw asOutputError(path, thrown);
      });
      byId.set(by, settings);
      take(result);
      isUnfinished = false;
    },
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Records of the folders that results go to, by folder. */
export type Records = ReadonlyMap<string, FolderRecord>;

export async function readRecords(paths: readonly string[], out: string | undefined): Promise<Records> {
  const folders = new Set(paths.map((path) => folderOf(path, out)));
  const records = new Map<string, FolderRecord>();
  for (const folder of folders) records.set(folder, await readRecord(folder));
  return records;
}

/** Where the results of an image go. */
export const folderOf = (path: string, out: string | undefined): string =>
  dirname(outputPath(path, 'tiff', out));

/** What was made earlier: by other settings than now, or by settings that are not known. */
interface Earlier {
  readonly file: string;
  readonly settings: Settings;
}

/** Results of an image that are there and were made by other settings. */
async function madeOtherwise(
  path: string,
  names: readonly OutputName[],
  out: string | undefined,
  records: Records,
  now: Settings,
): Promise<Earlier[]> {
  const found: Earlier[] = [];
  for (const name of names) {
    const file = outputPath(path, name, out);
    const settings = records.get(dirname(file))?.settingsOf(basename(file));
    if (settings === undefined || differences([settings], now).length === 0) continue;
    if (await exists(file)) found.push({ file, settings });
  }
  return found;
}

/** What is asked for and where it goes. */
export interface Asked {
  readonly save: readonly OutputName[];
  readonly out?: string | undefined;
  readonly overwrite: boolean;
}

/**
 * Results of one image must not come from several settings. Without `overwrite` there may be none by others; with it those
 * that are not made again are named in a warning.
 *
 * @throws OutputError with the settings that differ, old -> new
 */
export async function checkSettings(
  paths: readonly string[],
  { save, out, overwrite }: Asked,
  records: Records,
  now: Settings,
  emit: EventListener,
): Promise<void> {
  const names = overwrite ? outputNames.filter((name) => !save.includes(name)) : outputNames;
  const earlier: Earlier[] = [];
  let images = 0;
  for (const path of paths) {
    const own = await madeOtherwise(path, names, out, records, now);
    if (own.length > 0) images++;
    earlier.push(...own);
  }
  const [first] = earlier;
  if (first === undefined) return;
  const problems = differences(
    earlier.map(({ settings }) => settings),
    now,
  );
  if (!overwrite)
    throw new OutputError(
      `${images} of ${counted(paths.length, 'image')} ${images === 1 ? 'has' : 'have'} results in ${dirname(first.file)} that were made by other settings (old -> new)`,
      {
        where: dirname(first.file),
        problems,
        fix: 'add --overwrite to make them again, or --out with another folder to keep both',
      },
    );
  const shown = earlier.slice(0, 3).map(({ file }) => file);
  const list = `${shown.join(', ')}${earlier.length > 3 ? ', ...' : ''}`;
  const how = problems.map(({ where, message }) => `${where} ${message}`).join(', ');
  emit({
    kind: 'warning',
    message: `${counted(earlier.length, 'file')} of these images remain${earlier.length === 1 ? 's' : ''} from other settings (${how}): ${list}; name them in --save too, or remove them`,
  });
}
