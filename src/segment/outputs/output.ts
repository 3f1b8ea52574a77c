import type { PixelImage } from '../../image/types.js';
import type { Cells } from '../cells.js';

/** What a writer is given. */
export interface OutputInput {
  readonly cells: Cells;
  /** The image that was segmented, in the file's own values. */
  readonly image: PixelImage;
  /** The image's file name, for formats that name it. */
  readonly fileName: string;
}

/** One kind of file that `segment` can write; no cells is written like any other number of cells. */
export interface Output {
  /** Put behind the image's stem: `_masks.tif`. */
  readonly suffix: string;
  readonly about: string;
  /** Writes to a new path; the caller renames it to its final name. */
  write(input: OutputInput, path: string): Promise<void>;
}
