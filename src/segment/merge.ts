import type { LabelImage } from '../image/types.js';
import { type ImageRow, type MaskGeometry, Upscaler } from './upscale.js';

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
    this.#level = levelOf(maskThreshold);
    this.#data = new Uint32Array(this.height * this.width);
    this.#best = new Float32Array(this.height * this.width).fill(singleBelow(this.#level));
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
    this.#upscaler.rowsAbove(logits, this.#level, (row) => this.#drawRow(label, row));
  }

  #drawRow(label: number, { y, x0, x1, above, below, weight }: ImageRow): void {
    const best = this.#best.subarray(y * this.width, (y + 1) * this.width);
    const data = this.#data.subarray(y * this.width, (y + 1) * this.width);
    const rest = 1 - weight;
    for (let x = x0; x < x1; x++) {
      const logit = Math.fround((above[x] as number) * rest + (below[x] as number) * weight);
      const held = best[x] as number; // the level where there is no cell yet: one comparison for both
      if (!(logit >= held) || (logit === held && !this.#isBetter(label, data[x] as number))) continue;
      data[x] = label;
      best[x] = logit;
    }
  }

  /** Whether of equally probable cells the later one is; what is only as high as the level is no cell. */
  #isBetter(label: number, owner: number): boolean {
    return owner !== 0 && (this.#quality[label] as number) > (this.#quality[owner] as number);
  }

  /** Labels by rank; a cell that lost all its pixels has none. The canvas must not be drawn on afterwards. */
  labels(): LabelImage {
    return { height: this.height, width: this.width, data: this.#data, count: this.count };
  }
}

/** The logit of a probability. */
export const levelOf = (probability: number): number => Math.log(probability / (1 - probability));

/** The highest number of single precision that is at most `value`, so that single numbers above both are the same. */
function singleBelow(value: number): number {
  const single = Float32Array.of(value);
  if ((single[0] as number) > value) {
    const bits = new Int32Array(single.buffer); // neighbours in value are neighbours in bits
    bits[0] = (bits[0] as number) + (value > 0 ? -1 : 1);
  }
  return single[0] as number;
}
