import { join } from 'node:path';
import { z } from 'zod';
import { DataError, OutputError, type Problem, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import { openDataset } from '../data/dataset.js';
import { readField } from '../data/fields.js';
import { DATA_PATHS, dataOptions } from '../data/options.js';
import { removeShards, type Shard, ShardWriter } from '../data/shards.js';
import { SPLITS } from '../data/split.js';

/** Any job file with a `data` part; what else it says does not matter here. */
export const prepareFileOptions = z.looseObject({ data: dataOptions });

export const PREPARE_PATHS: readonly string[] = DATA_PATHS.map((key) => `data.${key}`);

export const prepareJobOptions = z.strictObject({
  data: dataOptions,
  out: z.string().describe('folder for the shards'),
  shardMb: z.number().positive().default(64).describe('size of a shard in MB, about'),
  overwrite: z.boolean().default(false).describe('write into a folder that holds shards already'),
});

export interface PrepareResult {
  readonly folder: string;
  readonly images: number;
  readonly objects: number;
  readonly bytes: number;
  readonly shards: readonly Shard[];
  /** Images that were left out, with `onBadFile: skip`. */
  readonly skipped: readonly Problem[];
}

/**
 * Reads every image of a configuration once and writes the decoded samples as TFRecord shards, with a manifest of their
 * SHA-256 beside them. Every record carries its own checksum, which is verified whenever it is read.
 *
 * @param configFolder what relative roots are relative to
 * @throws OutputError when the folder holds shards, DataError naming every image that cannot be used
 */
export async function prepare(
  job: z.infer<typeof prepareJobOptions>,
  configFolder: string,
  context: JobContext,
): Promise<PrepareResult> {
  const { out } = job;
  const manifest = join(out, 'cache.json');
  if ((await exists(manifest)) && !job.overwrite)
    throw new OutputError(`${out} holds shards already`, {
      where: out,
      fix: 'choose another folder with --out, or pass --overwrite',
    });
  const dataset = await openDataset(job.data, configFolder);
  await removeShards(out);
  const total = SPLITS.reduce((sum, split) => sum + dataset.counts[split], 0);
  const shards: Shard[] = [];
  const problems: Problem[] = [];
  let [done, objects] = [0, 0];
  for (const split of SPLITS) {
    const writer = new ShardWriter(out, split, job.shardMb * 1e6);
    try {
      for (const field of dataset.fields[split]) {
        throwIfAborted(context.signal);
        try {
          const sample = await readField(field);
          await writer.write(sample);
          objects += sample.objectCount;
        } catch (thrown) {
          if (!(thrown instanceof DataError)) throw thrown;
          problems.push({ where: thrown.where ?? field.id, message: thrown.message });
        }
        context.emit({ kind: 'progress', done: ++done, total, unit: 'images', detail: `preparing ${split}` });
      }
      shards.push(...(await writer.close()));
    } finally {
      await writer.abandon();
    }
  }
  if (problems.length > 0 && job.data.onBadFile === 'fail')
    throw new DataError(`${problems.length} of ${total} images cannot be used`, {
      problems,
      fix: 'mend or remove the files named above, or set data.onBadFile=skip',
    });
  await writeFileAtomic(manifest, JSON.stringify({ version: 1, shards }, null, 2));
  const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
  return { folder: out, images: total - problems.length, objects, bytes, shards, skipped: problems };
}
