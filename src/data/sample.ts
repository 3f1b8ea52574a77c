import type { Boxes, LabelImage, PixelImage } from '../image/types.js';

/** The annotation of an image. */
export type Instances =
  /** Masks: trains both stages. */
  | { readonly kind: 'labels'; readonly labels: LabelImage }
  /** Boxes only: trains the detector only. `classes[i]` names box i where the source does. */
  | { readonly kind: 'boxes'; readonly boxes: Boxes; readonly classes?: readonly string[] }
  /** Centres `[N, 2]` (x, y): counted and shown, trains nothing. */
  | { readonly kind: 'points'; readonly xy: Float32Array; readonly classes?: readonly string[] }
  /** An image to segment. */
  | { readonly kind: 'none' };

/** Where a sample came from. */
export interface Source {
  readonly dataset: string;
  readonly files: readonly string[];
  readonly licence?: string;
  /** SHA-256 of the decoded pixels: equal images have equal hashes, whatever their file's format. */
  readonly contentHash: string;
}

/** One annotated field of view. */
export interface Sample {
  /** Stable across machines: dataset + path inside it + frame. */
  readonly id: string;
  readonly image: PixelImage;
  readonly instances: Instances;
  /** Objects in the source, counted before they were drawn into one label image (overlaps are real). */
  readonly objectCount: number;
  /** What had to be decided or repaired while reading, e.g. pixels claimed twice. */
  readonly warnings: readonly string[];
  /** Of a plane of a volume: the ids it shows, by which objects seen in several planes are counted once. */
  readonly volume?: Volume;
  readonly source: Source;
}

/** The volume that a plane was taken from. */
export interface Volume {
  /** Relative to the dataset's root; equal for all its planes. */
  readonly file: string;
  readonly plane: number;
  /** The file's own ids of the objects in this plane, rising: object i + 1 of the label image is `ids[i]`. */
  readonly ids: Uint32Array;
}

/** All that the order of samples depends on: where to go on after a batch. */
export interface Cursor {
  readonly epoch: number;
  readonly position: number;
  readonly random: readonly number[];
}

/** What one training step consumes. S is the model's side in pixels, B the batch. */
export interface Batch {
  /** `[B, S, S, 3]`, normalised: blank, nuclear, whole-cell. */
  readonly images: Float32Array;
  /** `[B, 2]`: height, width of the content before padding (bottom and right). */
  readonly sizes: Int32Array;
  /** `[sum N, 4]` x0, y0, x1, y1 in pixels of S. */
  readonly boxes: Float32Array;
  /** `[B + 1]`: boxes of image b are `offsets[b] .. offsets[b + 1] - 1`. */
  readonly offsets: Int32Array;
  /** `[sum N]`: class of each box, from 0; all 0 when absent. */
  readonly classes?: Int32Array;
  /** B label images at S x S; label i is box i - 1 of its image. Absent when a sample has boxes only. */
  readonly masks?: readonly LabelImage[];
  readonly ids: readonly string[];
  /** `Source.contentHash` of every field that a loader cut views from, those in mosaics too. */
  readonly contentHashes?: readonly string[];
  readonly cursor: Cursor;
}
