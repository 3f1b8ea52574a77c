import { suppress, takeBoxes } from '../image/boxes.js';
import type { Detection, MaskLogits, Prompt } from '../models/types.js';

/** An encoded batch of images; only the engine that made it knows what is inside. */
export interface Embedding {
  readonly batch: number;
}

export type Scaling = 'plain' | 'published';

/** The model as segmentation sees it: the same for TensorFlow and ONNX Runtime. Coordinates are pixels of S x S. */
export interface Engine {
  /** Side of the frame, S. */
  readonly side: number;
  /** Side of the masks. */
  readonly maskSide: number;
  /** Subtracted from, and dividing, pixel values 0 .. 255. */
  readonly pixelMean: readonly [number, number, number];
  readonly pixelStd: readonly [number, number, number];
  /** Whether the box threshold follows the scores of the image; not so for dense proposals, most of which are empty. */
  readonly hasDynamicThreshold: boolean;
  /** How images become numbers: as this project trains, or as the released model wants them; plain when absent. */
  readonly scaling?: Scaling;
  /**
   * @param images `[B, S, S, 3]`, normalised; not to be changed before the embedding is released
   * @param detectorImages what a detector with its own encoder sees; the same when absent
   */
  encode(images: Float32Array, batch: number, detectorImages?: Float32Array): Promise<Embedding>;
  /**
   * For each image every candidate in falling order of score.
   *
   * @param sameCell boxes with a larger IoU than this are one cell and the better is kept; 1 keeps all; the engine's own
   *   choice when absent (0.3 for dense proposals, all of a detector with queries)
   */
  detect(embedding: Embedding, sameCell?: number): Promise<Detection[]>;
  /** One mask a prompt, for each image of the batch; the masks' memory is the caller's, who may hand it to a thread. */
  decode(embedding: Embedding, prompts: readonly (readonly Prompt[])[]): Promise<MaskLogits[]>;
  release(embedding: Embedding): void;
  dispose(): void;
}

/** Non-maximum suppression: of boxes whose IoU is above `sameCell` the best-scored is kept; 1 keeps all. */
export function withoutDuplicates({ boxes, scores }: Detection, sameCell: number): Detection {
  if (sameCell >= 1) return { boxes, scores };
  const kept = suppress(boxes, scores, sameCell);
  return { boxes: takeBoxes(boxes, kept), scores: Float32Array.from(kept, (i) => scores[i] as number) };
}
