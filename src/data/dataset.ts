import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError, DataError, type Problem, reason, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { Random } from '../core/random.js';
import { formatNamed } from './formats/formats.js';
import type { DataOptions } from './options.js';
import type { Sample } from './sample.js';
import { simulate } from './simulate/simulate.js';

export const SPLITS = ['train', 'val', 'heldout'] as const;
export type Split = (typeof SPLITS)[number];

/** A dataset that was listed: reads the samples of one part. */
export interface Dataset {
  readonly counts: Readonly<Record<Split, number>>;
  readSplit(split: Split, context: JobContext): Promise<Sample[]>;
}

/**
 * Opens a dataset: lists its fields and divides them into training, validation and held-out parts.
 *
 * @param folder what `options.root` is relative to
 * @throws DataError when the folder is incomplete, ConfigError when the split names unknown images
 */
export async function openDataset(options: DataOptions, folder: string): Promise<Dataset> {
  const source =
    options.type === 'simulated' ? simulatedFields(options) : await fieldsOnDisk(options, folder);
  const ids = await divide([...source.keys()], options, folder);
  const counts = Object.fromEntries(SPLITS.map((split) => [split, ids[split].length])) as Record<
    Split,
    number
  >;
  return {
    counts,
    readSplit: async (split, { emit, signal }) => {
      const samples: Sample[] = [];
      const problems: Problem[] = [];
      const repaired: string[] = [];
      for (const [done, id] of ids[split].entries()) {
        throwIfAborted(signal);
        try {
          const sample = await (source.get(id) as () => Promise<Sample>)();
          if (sample.warnings.length > 0) repaired.push(id);
          samples.push(sample);
        } catch (thrown) {
          if (!(thrown instanceof DataError)) throw thrown;
          problems.push({ where: thrown.where ?? id, message: thrown.message });
        }
        emit({
          kind: 'progress',
          done: done + 1,
          total: ids[split].length,
          unit: 'images',
          detail: `reading ${split}`,
        });
      }
      if (repaired.length > 0) {
        const message = `${repaired.length} of ${ids[split].length} ${split} images have overlapping masks; contested pixels went to the smaller object`;
        emit({ kind: 'warning', message, where: repaired.slice(0, 3).join(', ') });
      }
      if (problems.length > 0) {
        throw new DataError(`${problems.length} of ${ids[split].length} images cannot be used`, {
          problems,
          fix: 'mend or remove the files named above',
        });
      }
      return samples;
    },
  };
}

type Fields = Map<string, () => Promise<Sample>>;

function simulatedFields(options: DataOptions): Fields {
  const fields: Fields = new Map();
  for (let i = 0; i < options.count; i++) {
    const modality = options.modalities[i % options.modalities.length] as string;
    fields.set(`${modality}-${i}`, async () =>
      simulate({ modality, side: options.fieldSize, seed: `${options.splitSeed}/${i}` }),
    );
  }
  return fields;
}

async function fieldsOnDisk(options: DataOptions, folder: string): Promise<Fields> {
  const root = resolve(folder, options.root);
  const format = await formatNamed(options.type, options.options);
  const refs = await format.list(root);
  return new Map(refs.map((ref) => [ref.id, () => format.read(root, ref)]));
}

async function divide(
  ids: readonly string[],
  options: DataOptions,
  folder: string,
): Promise<Record<Split, readonly string[]>> {
  if (options.splitFile !== undefined) return readSplit(ids, resolve(folder, options.splitFile));
  const order = [...new Random(options.splitSeed).split('split').permutation(ids.length)].map(
    (i) => ids[i] as string,
  );
  const heldout = Math.max(1, Math.round(ids.length * 0.2));
  const val = Math.max(1, Math.round(ids.length * 0.1));
  return {
    heldout: order.slice(0, heldout),
    val: order.slice(heldout, heldout + val),
    train: order.slice(heldout + val),
  };
}

async function readSplit(ids: readonly string[], path: string): Promise<Record<Split, readonly string[]>> {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (thrown) {
    throw new ConfigError(`cannot read the split file ${path}: ${reason(thrown)}`, {
      where: 'data.splitFile',
      cause: thrown,
    });
  }
  const known = new Set(ids);
  const lists = SPLITS.map(
    (split) => [split, (Array.isArray(parsed[split]) ? parsed[split] : []) as string[]] as const,
  );
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const [split, list] of lists) {
    if (list.length === 0) problems.push({ where: split, message: 'the list is missing or empty' });
    for (const id of list) {
      if (!known.has(id)) problems.push({ where: `${split}: ${id}`, message: 'is not in the dataset' });
      if (seen.has(id))
        problems.push({
          where: `${split}: ${id}`,
          message: 'is listed twice; training and held-out images must differ',
        });
      seen.add(id);
    }
  }
  if (problems.length > 0)
    throw new ConfigError(`${path} does not fit the dataset`, { where: path, problems });
  return Object.fromEntries(lists) as Record<Split, string[]>;
}
