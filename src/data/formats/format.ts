import type { Sample } from '../sample.js';

/** One field of view of a dataset, not read yet. */
export interface FieldRef {
  /** Stable across machines: the path inside the dataset, and the frame where a file has several. */
  readonly id: string;
  readonly files: readonly string[];
}

/** A dataset's layout: one file each, one line in the table of formats. */
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
