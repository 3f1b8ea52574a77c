import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ConfigError, type Problem, reason } from '../core/errors.js';
import { Random } from '../core/random.js';
import type { Field } from './fields.js';
import type { SetOptions } from './options.js';

export const SPLITS = ['train', 'val', 'heldout'] as const;
export type Split = (typeof SPLITS)[number];

type Parts = Record<Split, readonly Field[]>;

/**
 * Divides the fields of one dataset: by its split file, else as its own files say, else at random by the seed.
 *
 * @param folder what `set.splitFile` is relative to
 * @throws ConfigError when the split file names unknown images, or one twice
 */
export async function divide(fields: readonly Field[], set: SetOptions, folder: string): Promise<Parts> {
  if (set.splitFile !== undefined) return bySplitFile(fields, resolve(folder, set.splitFile));
  if (fields.every(({ source }) => 'ref' in source && source.ref.split !== undefined)) {
    const ofSplit = (split: Split) =>
      fields.filter(({ source }) => 'ref' in source && source.ref.split === split);
    const told = { train: ofSplit('train'), val: ofSplit('val'), heldout: ofSplit('heldout') };
    return told.val.length > 0 ? told : withVal(told, set.splitSeed);
  }
  const order = [...new Random(set.splitSeed).split('split').permutation(fields.length)].map(
    (i) => fields[i] as Field,
  );
  const heldout = Math.max(1, Math.round(fields.length * 0.2));
  const val = Math.max(1, Math.round(fields.length * 0.1));
  return {
    heldout: order.slice(0, heldout),
    val: order.slice(heldout, heldout + val),
    train: order.slice(heldout + val),
  };
}

/** A tenth of the training part for validation, where a dataset comes in training and test alone. */
function withVal({ train, heldout }: Parts, seed: number): Parts {
  const order = [...new Random(seed).split('split').permutation(train.length)].map((i) => train[i] as Field);
  const val = Math.min(train.length - 1, Math.max(1, Math.round(train.length * 0.1)));
  return { heldout, val: order.slice(0, val), train: order.slice(val) };
}

async function bySplitFile(fields: readonly Field[], path: string): Promise<Parts> {
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  } catch (thrown) {
    throw new ConfigError(`cannot read the split file ${path}: ${reason(thrown)}`, {
      where: 'data.splitFile',
      cause: thrown,
    });
  }
  const known = new Map(fields.map((field) => [ownId(field), field]));
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
  const fieldsOf = (wanted: Split) =>
    lists.flatMap(([split, list]) => (split === wanted ? list.map((id) => known.get(id) as Field) : []));
  return { train: fieldsOf('train'), val: fieldsOf('val'), heldout: fieldsOf('heldout') };
}

/** The id inside its own dataset, which split files use. */
const ownId = ({ id, source }: Field): string => ('ref' in source ? source.ref.id : id);
