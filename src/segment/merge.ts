import type { LabelImage } from '../image/types.js';
import { type MaskGeometry, Upscaler } from './upscale.js';

/**
 * Prompts' masks drawn into one label image, one after the other, so that no more than one mask is held at full size.
 *
 * A pixel belongs to the cell of highest mask probability among those above the mask threshold; at equal probability
 * to the one of higher predicted IoU, then to the earlier one (CellSAM, Methods; its released code lets the lowest
 * score win instead).
 */
export class MaskCanvas {
  readonly height: number;
  readonly width: number;
  readonly #upscaler: Upscaler;
  readonly #level: number;
  readonly #data: Uint32Array;
  readonly #best: Float32Array;
  readonly #quality: number[] = [0];

  /** @param maskThreshold probability that a pixel must exceed */
  constructor(geometry: MaskGeometry, maskThreshold: number) {
    [this.height, this.width] = geometry.original;
    this.#upscaler = new Upscaler(geometry);
    this.#level = Math.log(maskThreshold / (1 - maskThreshold));
    this.#data = new Uint32Array(this.height * this.width);
    this.#best = new Float32Array(this.height * this.width);
  }

  /** Cells drawn so far. */
  get count(): number {
    return this.#quality.length - 1;
  }

  /**
   * Draws the next cell; its label is the number of cells drawn with it.
   *
   * @param logits `[side, side]` before the sigmoid
   * @param quality predicted IoU
   */
  add(logits: Float32Array, quality: number): void {
    const label = this.#quality.push(quality) - 1;
    const window = this.#upscaler.window(logits, this.#level);
    if (window === undefined) return;
    const data = this.#data;
    const best = this.#best;
    for (let y = 0, i = 0; y < window.height; y++) {
      let at = (window.y0 + y) * this.width + window.x0;
      for (let x = 0; x < window.width; x++, i++, at++) {
        const logit = window.data[i] as number;
        if (logit <= this.#level) continue;
        const owner = data[at] as number;
        if (owner !== 0) {
          const held = best[at] as number;
          if (logit < held || (logit === held && quality <= (this.#quality[owner] as number))) continue;
        }
        data[at] = label;
        best[at] = logit;
      }
    }
  }

  /** Labels by rank; a cell that lost all its pixels has none. The canvas must not be drawn on afterwards. */
  labels(): LabelImage {
    return { height: this.height, width: this.width, data: this.#data, count: this.count };
  }
}
