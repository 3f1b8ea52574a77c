import { z } from 'zod';
import { UsageError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { compareRows, type Difference } from '../evaluate/compare.js';
import { BINARY } from '../evaluate/labelFiles.js';
import { folderCases } from '../evaluate/sources.js';
import { type ImageRow, rowOf } from '../evaluate/summary.js';
import { readSummary, scoreAll } from '../evaluate/writeReport.js';

export const compareJobOptions = z.strictObject({
  a: z.string().describe('folder of a report, or of masks'),
  b: z.string().describe('the same of the other'),
  truth: z.string().optional().describe('folder of true masks, where a and b are masks'),
  binary: z.enum(BINARY).default('refuse').describe('masks whose objects all have the same value'),
});

export interface CompareResult {
  readonly a: string;
  readonly b: string;
  readonly images: number;
  readonly metrics: readonly Difference[];
}

/** Compares two evaluations image by image. @throws DataError when they are not of the same images */
export async function compare(
  options: z.infer<typeof compareJobOptions>,
  context: JobContext,
): Promise<CompareResult> {
  const rows = async (folder: string): Promise<readonly ImageRow[]> => {
    if (options.truth !== undefined) {
      const cases = await folderCases(folder, options.truth, options.binary);
      return (await scoreAll(cases, context)).map(rowOf);
    }
    const summary = await readSummary(folder);
    if (summary === undefined)
      throw new UsageError(`${folder} holds no report`, {
        where: folder,
        fix: 'name folders that `cellsam evaluate` wrote, or folders of masks with --truth',
      });
    return summary.per_image;
  };
  const a = await rows(options.a);
  const metrics = compareRows(a, await rows(options.b));
  return { a: options.a, b: options.b, images: a.length, metrics };
}
