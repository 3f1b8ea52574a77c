import type { LabelImage } from '../image/types.js';
import type { MaskLogits } from '../models/types.js';
import { DrawThread } from './drawThread.js';
import { levelOf, MaskCanvas } from './merge.js';
import { type MaskGeometry, pixelsAbove } from './upscale.js';

/** Pixels to be visited from which a thread saves more than its start costs. */
const MANY_PIXELS = 5e7;

/**
 * Masks of one image, drawn call by call; where they are many and large in a thread, while the next are decoded. The first
 * call's masks decide. The labels are the same either way.
 */
export class Drawing {
  readonly #geometry: MaskGeometry;
  readonly #maskThreshold: number;
  #canvas: MaskCanvas | undefined;
  #thread: DrawThread | undefined;

  /** @param maskThreshold probability that a pixel must exceed */
  constructor(geometry: MaskGeometry, maskThreshold: number) {
    this.#geometry = geometry;
    this.#maskThreshold = maskThreshold;
  }

  /**
   * Draws some masks of a call, whose memory it takes over.
   *
   * @param chosen which @param left prompts that are still to be decoded
   */
  async add(masks: MaskLogits, chosen: readonly number[], left: number): Promise<void> {
    const size = masks.side * masks.side;
    const parts = chosen.map((i) => masks.data.subarray(i * size, (i + 1) * size));
    const qualities = chosen.map((i) => masks.quality[i] as number);
    if (this.#canvas === undefined && this.#thread === undefined)
      this.#open(parts, masks.quality.length, left);
    if (this.#thread !== undefined)
      return this.#thread.add(parts, qualities, masks.data.buffer as ArrayBuffer);
    for (const [i, part] of parts.entries()) this.#canvas?.add(part, qualities[i] as number);
  }

  #open(first: readonly Float32Array[], prompts: number, left: number): void {
    const level = levelOf(this.#maskThreshold);
    let pixels = 0;
    for (const mask of first) pixels += pixelsAbove(mask, level, this.#geometry);
    if ((pixels / prompts) * left < MANY_PIXELS) this.#canvas = this.#empty();
    else this.#thread = new DrawThread(this.#geometry, this.#maskThreshold);
  }

  #empty(): MaskCanvas {
    return new MaskCanvas(this.#geometry, this.#maskThreshold);
  }

  /** After the last mask. */
  async labels(): Promise<LabelImage> {
    return this.#thread?.labels() ?? (this.#canvas ?? this.#empty()).labels();
  }

  /** Ends the thread, if there is one. */
  async close(): Promise<void> {
    await this.#thread?.close();
  }
}
