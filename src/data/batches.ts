import type { Random } from '../core/random.js';
import { brightCells } from '../image/channels.js';
import { boxesOf } from '../image/labels.js';
import type { LabelImage } from '../image/types.js';
import type { Batch, Cursor, Sample } from './sample.js';
import { stretched } from './transforms/stretch.js';
import { centralView, randomView, type View, type ViewOptions } from './transforms/view.js';

/** What a model wants its pixels to look like; values 0..255. */
export interface PixelScale {
  readonly pixelMean: readonly [number, number, number];
  readonly pixelStd: readonly [number, number, number];
}

/** A sample with its grey values ready to be cut; kept in memory over the epochs. */
export interface PreparedField {
  readonly id: string;
  readonly grey: Float32Array;
  readonly labels: LabelImage;
  /** Median over objects of the root of the box's area in px; 0 without objects. */
  readonly objectSide: number;
  /** True for stained and bright-field images, whose grey values were turned over. */
  readonly wasInverted: boolean;
}

/** Grey values and labels of samples that have masks; others are skipped. */
export function prepareFields(samples: readonly Sample[]): PreparedField[] {
  return samples.flatMap(({ id, image, instances }) => {
    if (instances.kind !== 'labels') return [];
    const { labels } = instances;
    const seen = brightCells(image);
    return [
      {
        id,
        grey: stretched(seen.image),
        labels,
        objectSide: medianSide(labels),
        wasInverted: seen.wasInverted,
      },
    ];
  });
}

function medianSide(labels: LabelImage): number {
  const { xyxy, count } = boxesOf(labels);
  const sides = Array.from({ length: count }, (_, i) => {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(4 * i, 4 * i + 4);
    return Math.sqrt((x1 - x0) * (y1 - y0));
  }).sort((a, b) => a - b);
  return sides[sides.length >> 1] ?? 0;
}

/**
 * The training batch at a cursor: which fields, and how they are cut, follows from the seed, the epoch and the position
 * alone, so any batch can be made again.
 */
export function batchAt(
  fields: readonly PreparedField[],
  cursor: Cursor,
  size: number,
  options: ViewOptions & PixelScale,
  random: Random,
): Batch {
  const share = options.repeatInverted ?? 1;
  const pool = fields.flatMap((field) => Array<PreparedField>(field.wasInverted ? share : 1).fill(field));
  const order = random.split(`order/${cursor.epoch}`).permutation(pool.length);
  const views = Array.from({ length: size }, (_, k) => {
    const place = cursor.position + k;
    const field = pool[order[place % pool.length] as number] as PreparedField;
    return {
      id: field.id,
      view: randomView(field, options, random.split(`view/${cursor.epoch}/${place}`)),
    };
  });
  const next = cursor.position + size;
  const isOver = next + size > pool.length;
  return toBatch(
    views,
    options,
    isOver ? { epoch: cursor.epoch + 1, position: 0, random: [] } : { ...cursor, position: next },
  );
}

/** The central views of fields as one batch, for validation. */
export function centralBatch(fields: readonly PreparedField[], options: ViewOptions & PixelScale): Batch {
  const views = fields.map(({ id, grey, labels }) => ({ id, view: centralView(grey, labels, options.side) }));
  return toBatch(views, options, { epoch: 0, position: 0, random: [] });
}

function toBatch(
  views: readonly { id: string; view: View }[],
  options: ViewOptions & PixelScale,
  cursor: Cursor,
): Batch {
  const { side, pixelMean, pixelStd } = options;
  const images = new Float32Array(views.length * side * side * 3);
  const boxes = views.map(({ view }) => boxesOf(view.labels).xyxy);
  for (const [b, { view }] of views.entries()) {
    for (let i = 0; i < side * side; i++) {
      const at = (b * side * side + i) * 3;
      images[at] = -pixelMean[0] / pixelStd[0];
      images[at + 1] = -pixelMean[1] / pixelStd[1];
      images[at + 2] = (255 * (view.grey[i] as number) - pixelMean[2]) / pixelStd[2];
    }
  }
  const offsets = new Int32Array(views.length + 1);
  for (const [b, own] of boxes.entries()) offsets[b + 1] = (offsets[b] as number) + own.length / 4;
  const joined = new Float32Array((offsets[views.length] as number) * 4);
  for (const [b, own] of boxes.entries()) joined.set(own, 4 * (offsets[b] as number));
  return {
    images,
    sizes: Int32Array.from(views.flatMap(() => [side, side])),
    boxes: joined,
    offsets,
    masks: views.map(({ view }) => view.labels),
    ids: views.map(({ id }) => id),
    cursor,
  };
}
