import { basename, resolve } from 'node:path';
import type { FieldRef } from './formats/format.js';
import { formatDefinition, formatNamed } from './formats/formats.js';
import { IncompleteError } from './formats/incomplete.js';
import type { SetOptions } from './options.js';
import type { Sample } from './sample.js';
import { simulate } from './simulate/simulate.js';

/** A field of view that any thread can read: plain data. */
export interface Field {
  /** Unique in the whole mixture. */
  readonly id: string;
  /** Index of its dataset in the configuration. */
  readonly set: number;
  readonly source: FileSource | DrawnSource;
}

interface FileSource {
  readonly type: string;
  readonly root: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly ref: FieldRef;
}

interface DrawnSource {
  readonly type: 'simulated';
  readonly modality: string;
  readonly side: number;
  readonly seed: string;
}

/** What a dataset's layout can tell of an object. */
export type Gives = 'masks' | 'boxes' | 'points';

/** One dataset, listed. */
export interface FieldSet {
  readonly name: string;
  readonly gives: Gives;
  readonly fields: readonly Field[];
}

/**
 * Lists a dataset without reading pixels.
 *
 * @param folder what `set.root` is relative to
 * @param prefix whether ids begin with the set's name, so that those of several sets differ
 * @param onIncomplete is told of files without partners, and the complete fields are listed; an error when absent
 * @throws DataError when the folder is incomplete, ConfigError for wrong options
 */
export async function listFields(
  set: SetOptions,
  index: number,
  folder: string,
  prefix: boolean,
  onIncomplete?: (error: IncompleteError) => void,
): Promise<FieldSet> {
  const root = resolve(folder, set.root);
  const name = set.name ?? (set.type === 'simulated' ? 'simulated' : basename(root));
  const idOf = (id: string) => (prefix ? `${name}/${id}` : id);
  if (set.type === 'simulated')
    return {
      name,
      gives: 'masks',
      fields: drawn(set).map((source, i) => ({
        id: idOf(`${source.modality}-${i}`),
        set: index,
        source,
      })),
    };
  const { type, options } = set;
  const format = await formatNamed(type, options);
  const refs = await format.list(root).catch((thrown) => {
    if (onIncomplete === undefined || !(thrown instanceof IncompleteError)) throw thrown;
    onIncomplete(thrown);
    return thrown.refs;
  });
  const { gives } = await formatDefinition(type);
  return {
    name,
    gives,
    fields: refs.map((ref) => ({ id: idOf(ref.id), set: index, source: { type, root, options, ref } })),
  };
}

function drawn(set: SetOptions): DrawnSource[] {
  return Array.from({ length: set.count }, (_, i) => ({
    type: 'simulated',
    modality: set.modalities[i % set.modalities.length] as string,
    side: set.fieldSize,
    seed: `${set.splitSeed}/${i}`,
  }));
}

/** Reads a field; its sample has the field's id. @throws DataError naming the file */
export async function readField({ id, source }: Field): Promise<Sample> {
  if (!('ref' in source)) return { ...simulate(source), id };
  const format = await formatNamed(source.type, source.options);
  return { ...(await format.read(source.root, source.ref)), id };
}
