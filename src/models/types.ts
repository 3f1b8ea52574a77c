import type { Boxes } from '../image/types.js';

/** Boxes in falling order of score. */
export interface Detection {
  readonly boxes: Boxes;
  /** `[N]` probability 0..1. */
  readonly scores: Float32Array;
}

/** A request for one mask, in pixels of the image that was encoded. */
export type Prompt =
  | { readonly kind: 'box'; readonly xyxy: readonly [number, number, number, number] }
  /** `xy` is `[P, 2]`; `inside` is `[P]`, 1 inside the object and 0 outside. */
  | { readonly kind: 'points'; readonly xy: Float32Array; readonly inside: Uint8Array }
  /** `logits` is `[4g, 4g]` for g tokens a side. */
  | { readonly kind: 'mask'; readonly logits: Float32Array };

/** Masks before the sigmoid, at a quarter of the token stride. */
export interface MaskLogits {
  /** `[N, side, side]`. */
  readonly data: Float32Array;
  readonly side: number;
  /** `[N]` predicted IoU. */
  readonly quality: Float32Array;
}
