import type { Detection, MaskLogits, Prompt } from '../models/types.js';

/** An encoded batch of images; only the engine that made it knows what is inside. */
export interface Embedding {
  readonly batch: number;
}

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
  /** @param images `[B, S, S, 3]`, normalised */
  encode(images: Float32Array, batch: number): Promise<Embedding>;
  /** For each image every candidate in falling order of score, one a query; duplicates of dense proposals removed. */
  detect(embedding: Embedding): Promise<Detection[]>;
  /** One mask a prompt, for each image of the batch. */
  decode(embedding: Embedding, prompts: readonly (readonly Prompt[])[]): Promise<MaskLogits[]>;
  release(embedding: Embedding): void;
  dispose(): void;
}
