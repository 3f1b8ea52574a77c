import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DataError, reason } from '../../core/errors.js';
import { RecordFile } from '../../io/tfrecord.js';
import { decodeSample } from '../sampleRecord.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';

const SHARD = /\.tfrecords?$/i;

/** What stands beside a shard as `<shard>.index.json`; without it the shard is scanned and records are numbered. */
const shardIndex = z.object({
  version: z.literal(1),
  records: z.array(
    z.object({
      id: z.string(),
      offset: z.number().int().nonnegative(),
      length: z.number().int().nonnegative(),
      split: z.enum(['train', 'val', 'heldout']).optional(),
    }),
  ),
});
export type ShardIndex = z.infer<typeof shardIndex>;

/** The name of a shard's index. */
export const indexOf = (shard: string): string => `${shard}.index.json`;

/** TFRecord shards of `tf.train.Example`s as `sampleRecord.ts` describes them. */
export const tfrecord = defineFormat({
  name: 'tfrecord',
  about:
    'TFRecord shards (*.tfrecord) of images with masks, boxes or points, as `cellsam prepare` writes them',
  gives: 'masks',
  options: z.strictObject({}),
  detect: async (_, files) => (files.some((name) => SHARD.test(name)) ? { certainty: 0.95 } : undefined),
  list: async (root) => {
    const refs: FieldRef[] = [];
    const seen = new Set<string>();
    for (const shard of (await filesBelow(root)).filter((name) => SHARD.test(name))) {
      for (const { id, offset, length, split } of await recordsOf(root, shard)) {
        if (seen.has(id))
          throw new DataError(`${shard} has the record \`${id}\` a second time`, { where: shard });
        seen.add(id);
        const place = { id, files: [shard, `${offset}+${length}`] };
        refs.push(split === undefined ? place : { ...place, split });
      }
    }
    if (refs.length === 0)
      throw new DataError(`${root} holds no TFRecord shards with records`, { where: root });
    return refs.sort((a, b) => (a.id < b.id ? -1 : 1));
  },
  read: async (root, ref) => {
    const [shard = '', place = ''] = ref.files;
    const [offset = 0, length = 0] = place.split('+').map(Number);
    const path = join(root, shard);
    const file = await RecordFile.open(path);
    try {
      return {
        ...(await decodeSample(await file.read({ offset, length }), `${path} (${ref.id})`)),
        id: ref.id,
      };
    } finally {
      await file.close();
    }
  },
});

async function recordsOf(root: string, shard: string): Promise<ShardIndex['records']> {
  const path = join(root, shard);
  const text = await readFile(indexOf(path), 'utf8').catch(() => undefined);
  if (text !== undefined) {
    try {
      return shardIndex.parse(JSON.parse(text)).records;
    } catch (thrown) {
      throw new DataError(`${indexOf(path)} is no index of a shard: ${reason(thrown)}`, {
        where: indexOf(path),
        fix: 'remove it: the shard is then scanned',
        cause: thrown,
      });
    }
  }
  const file = await RecordFile.open(path);
  try {
    const places = await file.places();
    return places.map((place, i) => ({ ...place, id: `${shard}#${String(i).padStart(6, '0')}` }));
  } finally {
    await file.close();
  }
}
