/**
 * The plain data that passes between the parts. Row-major, channels last. Pixel (row r, column c) covers
 * `[c, c+1) x [r, r+1)`; coordinates are x right, y down, in pixels of the image that they belong to.
 */

/** An image with its values as the file holds them. */
export interface PixelImage {
  readonly height: number;
  readonly width: number;
  /** C names, e.g. `['nuclear', 'whole-cell']`. */
  readonly channels: readonly string[];
  /** `[H, W, C]`, in the file's own values. */
  readonly data: Float32Array;
  /** The values the file could hold: `[0, 255]`, `[0, 65535]`, `[0, 1]`, ... */
  readonly range: readonly [low: number, high: number];
  /** Micrometres per pixel; absent when unknown. */
  readonly pixelSizeUm?: readonly [y: number, x: number];
}

/** `[H, W]`: 0 is background, objects are 1 .. count. */
export interface LabelImage {
  readonly height: number;
  readonly width: number;
  readonly data: Uint32Array;
  readonly count: number;
}

/** `[N, 4]` as x0, y0, x1, y1 in pixels, edges not centres, x0 <= x1 and y0 <= y1. */
export interface Boxes {
  readonly count: number;
  readonly xyxy: Float32Array;
}
