import type { Random } from '../../core/random.js';
import type { Batch } from '../../data/sample.js';
import { numbersAt } from '../../image/boxes.js';
import type { LabelImage } from '../../image/types.js';
import { tf } from '../../tf/index.js';
import type { Targets } from '../losses/matching.js';

/** Some objects of an image as prompts: jittered boxes `[n, 4]` in px and true masks `[n, side, side]` in {0, 1}. */
export interface MaskTargets {
  readonly image: number;
  readonly boxes: Float32Array;
  readonly masks: Float32Array;
  readonly count: number;
}

/** Objects of each image for the query losses: centre form in 0..1; class 0 where the batch names none. */
export function queryTargets(batch: Batch, side: number): Targets[] {
  return Array.from({ length: batch.ids.length }, (_, b) => {
    const [from, to] = [batch.offsets[b] as number, batch.offsets[b + 1] as number];
    const boxes = new Float32Array((to - from) * 4);
    for (let i = 0; i < to - from; i++) {
      const [x0, y0, x1, y1] = numbersAt(batch.boxes, from + i);
      boxes.set([(x0 + x1) / 2 / side, (y0 + y1) / 2 / side, (x1 - x0) / side, (y1 - y0) / side], 4 * i);
    }
    return { boxes, labels: batch.classes?.slice(from, to) ?? new Int32Array(to - from) };
  });
}

/**
 * True at tokens outside an image's content, `[B, tokens, tokens]`, sampled at the nearest pixel; undefined where every
 * image fills its view.
 *
 * @param side of a view in px @param tokens in a row
 */
export function tokenPadding(batch: Batch, side: number, tokens: number): tf.Tensor3D | undefined {
  if (batch.sizes.every((size) => size >= side)) return undefined;
  const images = batch.sizes.length / 2;
  const data = new Uint8Array(images * tokens * tokens);
  for (let b = 0; b < images; b++) {
    const [height, width] = [batch.sizes[2 * b] as number, batch.sizes[2 * b + 1] as number];
    for (let i = 0; i < tokens * tokens; i++) {
      const y = Math.floor((Math.floor(i / tokens) * side) / tokens);
      const x = Math.floor(((i % tokens) * side) / tokens);
      data[b * tokens * tokens + i] = y >= height || x >= width ? 1 : 0;
    }
  }
  return tf.tensor3d(data, [images, tokens, tokens], 'bool');
}

/**
 * Draws up to `limit` objects of every image; box edges move by a share of the box's side, so that the decoder learns to
 * forgive the detector.
 *
 * @param maskSide side of the decoder's output
 */
export function maskTargets(
  batch: Batch,
  limit: number,
  jitter: number,
  maskSide: number,
  random: Random,
): MaskTargets[] {
  return (batch.masks ?? []).flatMap((labels, image) => {
    const [from, to] = [batch.offsets[image] as number, batch.offsets[image + 1] as number];
    const chosen = [...random.permutation(to - from)].slice(0, limit);
    if (chosen.length === 0) return [];
    const boxes = new Float32Array(chosen.length * 4);
    const masks = new Float32Array(chosen.length * maskSide * maskSide);
    for (const [k, object] of chosen.entries()) {
      const box = numbersAt(batch.boxes, from + object);
      for (let e = 0; e < 4; e++)
        boxes[4 * k + e] =
          (box[e] as number) +
          random.normal(0, jitter) * ((box[(e % 2) + 2] as number) - (box[e % 2] as number));
      sampleMask(
        labels,
        object + 1,
        maskSide,
        masks.subarray(k * maskSide * maskSide, (k + 1) * maskSide * maskSide),
      );
    }
    return [{ image, boxes, masks, count: chosen.length }];
  });
}

/** Nearest sampling at the decoder's resolution. */
function sampleMask(labels: LabelImage, label: number, side: number, out: Float32Array): void {
  const step = labels.width / side;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const source = Math.floor((y + 0.5) * step) * labels.width + Math.floor((x + 0.5) * step);
      if (labels.data[source] === label) out[y * side + x] = 1;
    }
  }
}
