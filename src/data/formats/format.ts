import type { z } from 'zod';
import type { Sample } from '../sample.js';

/** One field of view of a dataset, not read yet. */
export interface FieldRef {
  /** Stable across machines: the path inside the dataset, and the frame where a file has several. */
  readonly id: string;
  /** Relative to the root, with `/`. */
  readonly files: readonly string[];
  /** Names of the channels, where each of the first files is one. */
  readonly channels?: readonly string[];
  /** The part it belongs to, where the dataset's own files tell. */
  readonly split?: 'train' | 'val' | 'heldout';
}

/** A dataset's layout with its options set. */
export interface DatasetFormat {
  /** The word after `type:`. */
  readonly name: string;
  readonly about: string;
  /**
   * Lists every field without reading pixels, sorted by id.
   *
   * @throws DataError naming everything that is missing or unpaired
   */
  list(root: string): Promise<readonly FieldRef[]>;
  /** Reads one field. @throws DataError naming the file */
  read(root: string, ref: FieldRef): Promise<Sample>;
}

/** What a layout says of a folder that looks like its own. */
export interface Recognised {
  /** 0..1; a layout that only might fit stays below 0.5. */
  readonly certainty: number;
  /** What the config needs under `options:` besides the type. */
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A dataset's layout: one file each, one line in the table of formats. */
export interface FormatDefinition<S extends z.ZodObject = z.ZodObject> {
  readonly name: string;
  readonly about: string;
  /** What it can tell of an object: masks train both stages, boxes the detector alone, points nothing. */
  readonly gives: 'masks' | 'boxes' | 'points';
  /** Strict, with descriptions; what stands under `data.options`. */
  readonly options: S;
  /**
   * A cheap look: file names, at most the heads of one or two files. Never throws.
   *
   * @param files all files below the root, relative, with `/`, sorted
   */
  detect(root: string, files: readonly string[]): Promise<Recognised | undefined>;
  list(root: string, options: z.output<S>): Promise<readonly FieldRef[]>;
  read(root: string, ref: FieldRef, options: z.output<S>): Promise<Sample>;
}

/** Keeps the options' type for `list` and `read`. */
export function defineFormat<S extends z.ZodObject>(definition: FormatDefinition<S>): FormatDefinition<S> {
  return definition;
}
