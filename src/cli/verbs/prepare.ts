import { parseArguments } from '../../config/arguments.js';
import { loadConfig } from '../../config/load.js';
import { UsageError } from '../../core/errors.js';
import {
  PREPARE_PATHS,
  type PrepareResult,
  prepare,
  prepareFileOptions,
  prepareJobOptions,
} from '../../jobs/prepare.js';
import type { Verb } from '../verb.js';

export const verb: Verb<PrepareResult> = {
  command: 'prepare [overrides..]',
  about: 'decode a dataset once into TFRecord shards, which load fast and can be moved to other machines',
  examples: [
    [
      'cellsam prepare --config configs/dsb2018.yaml --out shards/dsb2018 data.root=../shared/data/dsb2018',
      'all images and masks as shards, divided as the config says',
    ],
    [
      'cellsam train --config configs/dsb2018.yaml data.type=tfrecord data.root=shards/dsb2018',
      'train from them',
    ],
  ],
  positionals: {
    overrides: { type: 'string', array: true, describe: 'key.sub=value, replaces what the file says' },
  },
  options: {
    config: { type: 'string', describe: 'a YAML file with a `data` part' },
    out: { type: 'string', describe: 'folder for the shards' },
    'shard-mb': { type: 'number', default: 64, describe: 'size of a shard in MB' },
    overwrite: { type: 'boolean', default: false, describe: 'replace the shards of the folder' },
  },
  run: async (args, context) => {
    const [path, out] = [args['config'] as string | undefined, args['out'] as string | undefined];
    if (path === undefined || out === undefined)
      throw new UsageError('which configuration, and where to?', {
        fix: 'pass --config file.yaml and --out folder',
      });
    const overrides = (args['overrides'] as string[] | undefined) ?? [];
    const { config, folder } = await loadConfig(prepareFileOptions, path, overrides, PREPARE_PATHS);
    const [shardMb, overwrite] = [args['shard-mb'], args['overwrite']];
    const given = { data: config.data, out, shardMb, overwrite };
    const job = parseArguments(prepareJobOptions, given, 'prepare');
    return prepare(job, folder, context);
  },
  render: (r) =>
    [
      ...r.skipped.map((p) => `  skipped ${p.where ?? ''}: ${p.message}`),
      `${r.images} images with ${r.objects} objects in ${r.shards.length} shards, ${(r.bytes / 1e6).toFixed(0)} MB, in ${r.folder}. For a config:`,
      `data:\n  type: tfrecord\n  root: ${r.folder}`,
    ].join('\n'),
};
