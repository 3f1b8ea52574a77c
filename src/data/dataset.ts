import { DataError, type Problem, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { type Field, type Gives, listFields, readField } from './fields.js';
import { type DataOptions, setsOf } from './options.js';
import type { Sample } from './sample.js';
import { divide, SPLITS, type Split } from './split.js';

export { SPLITS, type Split };

/** The datasets of a configuration, listed and divided; nothing is read yet. */
export interface Dataset {
  readonly counts: Readonly<Record<Split, number>>;
  readonly fields: Readonly<Record<Split, readonly Field[]>>;
  /** The sets in the order of the configuration. */
  readonly sets: readonly { readonly name: string; readonly gives: Gives }[];
  /**
   * Reads a part, all of it or the fields that are wanted.
   *
   * @throws DataError naming all images that cannot be used, unless they are to be skipped
   */
  readSplit(split: Split, context: JobContext, isWanted?: (field: Field) => boolean): Promise<Sample[]>;
}

/**
 * Opens the datasets of a configuration: lists their fields and divides each into training, validation and held-out
 * parts.
 *
 * @param folder what relative roots are relative to
 * @throws DataError when a folder is incomplete, ConfigError when a split names unknown images
 */
export async function openDataset(options: DataOptions, folder: string): Promise<Dataset> {
  const configured = setsOf(options);
  const fields: Record<Split, Field[]> = { train: [], val: [], heldout: [] };
  const sets: { name: string; gives: Gives }[] = [];
  for (const [index, set] of configured.entries()) {
    const listed = await listFields(set, index, folder, configured.length > 1);
    sets.push({ name: listed.name, gives: listed.gives });
    const parts = await divide(listed.fields, set, folder);
    for (const split of SPLITS) fields[split].push(...parts[split]);
  }
  return {
    counts: { train: fields.train.length, val: fields.val.length, heldout: fields.heldout.length },
    fields,
    sets,
    readSplit: (split, context, isWanted = () => true) =>
      readAll(fields[split].filter(isWanted), split, options, context),
  };
}

async function readAll(
  fields: readonly Field[],
  split: Split,
  options: DataOptions,
  { emit, signal }: JobContext,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const problems: Problem[] = [];
  const repaired: string[] = [];
  for (const [done, field] of fields.entries()) {
    throwIfAborted(signal);
    try {
      const sample = await readField(field);
      if (sample.warnings.length > 0) repaired.push(field.id);
      samples.push(sample);
    } catch (thrown) {
      if (!(thrown instanceof DataError)) throw thrown;
      problems.push({ where: thrown.where ?? field.id, message: thrown.message });
    }
    emit({
      kind: 'progress',
      done: done + 1,
      total: fields.length,
      unit: 'images',
      detail: `reading ${split}`,
    });
  }
  if (repaired.length > 0) {
    const message = `${repaired.length} of ${fields.length} ${split} images were repaired while reading; \`cellsam check\` tells how`;
    emit({ kind: 'warning', message, where: repaired.slice(0, 3).join(', ') });
  }
  if (options.onBadFile === 'skip')
    for (const { where, message } of problems)
      emit({ kind: 'warning', message: `skipped: ${message}`, ...(where === undefined ? {} : { where }) });
  else if (problems.length > 0) {
    throw new DataError(`${problems.length} of ${fields.length} images cannot be used`, {
      problems,
      fix: 'mend or remove the files named above, or set data.onBadFile=skip',
    });
  }
  return samples;
}
