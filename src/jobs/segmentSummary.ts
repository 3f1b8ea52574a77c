import { join } from 'node:path';
import { csvField } from '../core/csv.js';
import type { EventListener } from '../core/events.js';
import { exists, readTextIfThere, writeFileAtomic } from '../core/files.js';
import { type ImageResult, readRecord } from './segmentRecord.js';

/** One line an image, beside the results. */
export const SUMMARY = 'summary.csv';

const HEAD = 'image,cells,median area px,mean score,box threshold,zoom';

/**
 * Writes the table of each folder that holds results of more than one image: all that its record knows and that are still
 * there, also those of earlier runs. A file of that name that is not such a table is left alone, with a warning.
 *
 * @returns paths of the tables
 * @throws OutputError where one cannot be written
 */
export async function writeSummaries(folders: Iterable<string>, emit: EventListener): Promise<string[]> {
  const written: string[] = [];
  for (const folder of folders) {
    const results = await thoseThere(folder, (await readRecord(folder)).results());
    if (results.length < 2) continue;
    const path = join(folder, SUMMARY);
    const there = await readTextIfThere(path).catch(() => ''); // a folder of that name is no summary either
    if (there !== undefined && !there.startsWith(HEAD)) {
      emit({
        kind: 'warning',
        message:
          'this file is not a summary that `segment` wrote: it is left as it is, and no summary is written',
        where: path,
      });
      continue;
    }
    await writeFileAtomic(path, `${[HEAD, ...results.map(rowOf)].join('\n')}\n`);
    written.push(path);
  }
  return written;
}

async function thoseThere(folder: string, results: readonly ImageResult[]): Promise<ImageResult[]> {
  // An image may have several lines, of outputs that were made in several runs; the last one speaks for it.
  const byImage = new Map<string, ImageResult>();
  for (const result of results)
    for (const file of result.files) if (await exists(join(folder, file))) byImage.set(result.image, result);
  return [...byImage.values()];
}

function rowOf({ image, facts }: ImageResult): string {
  const { cells, medianAreaPx, meanScore, boxThreshold, zoom } = facts;
  return [
    csvField(image),
    cells,
    ...[medianAreaPx, meanScore, boxThreshold, zoom].map((value) => value ?? ''),
  ].join(',');
}
