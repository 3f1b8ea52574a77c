import { sha256 } from '../core/hash.js';
import { overlapTable } from '../image/overlap.js';
import type { LabelImage, PixelImage } from '../image/types.js';
import type { BoxImage } from './metrics/boxAp.js';
import { type ImageScores, scoreImage } from './metrics/metrics.js';
import { type ObjectFacts, objectFacts } from './objects.js';

/** One image to score: where it comes from, and how its masks are had. */
export interface Case {
  readonly dataset: string;
  readonly id: string;
  /** Modality or another kind of image; absent when unknown. */
  readonly group?: string;
  /** Hash of all that its scores follow from, except the model and the settings. */
  readonly inputs: string;
  /** Reads or makes both masks; called again for the images that are shown. */
  load(): Promise<Loaded>;
}

export interface Loaded {
  readonly truth: LabelImage;
  readonly predicted: LabelImage;
  readonly image?: PixelImage;
  /** `[predicted.count]`. */
  readonly scores?: Float32Array;
  /** All boxes that the detector proposed, before any threshold. */
  readonly boxes?: BoxImage;
}

/** A scored image without its pixels. */
export interface ScoredImage {
  readonly dataset: string;
  readonly id: string;
  readonly group?: string;
  readonly inputs: string;
  /** Hash of the true masks, whatever the file's format and numbers. */
  readonly truth: string;
  readonly pixels: number;
  readonly scores: ImageScores;
  readonly objects: ObjectFacts;
  readonly boxes?: BoxImage;
}

/** Scores one image. @throws RangeError when the two masks differ in size */
export function scoreCase(item: Case, { truth, predicted, scores, boxes }: Loaded): ScoredImage {
  const table = overlapTable(truth, predicted);
  return {
    dataset: item.dataset,
    id: item.id,
    ...(item.group === undefined ? {} : { group: item.group }),
    inputs: item.inputs,
    truth: hashOfObjects(truth),
    pixels: truth.height * truth.width,
    scores: scoreImage(truth, predicted, undefined, table),
    objects: objectFacts(truth, predicted, table, scores),
    ...(boxes === undefined ? {} : { boxes }),
  };
}

/** Equal for the same objects, in whatever order they are numbered: they are counted as they appear, row by row. */
function hashOfObjects({ height, width, data, count }: LabelImage): string {
  const rank = new Uint32Array(count + 1);
  let seen = 0;
  const ranks = data.map((label) => {
    if (label > 0 && rank[label] === 0) rank[label] = ++seen;
    return rank[label] as number;
  });
  return sha256(`${height}x${width}`, ranks);
}
