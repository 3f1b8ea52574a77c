import type { Random } from '../core/random.js';
import { stainToGrey } from '../image/channels.js';
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
}

/** Grey values and labels of samples that have masks; others are skipped. */
export function prepareFields(samples: readonly Sample[]): PreparedField[] {
  return samples.flatMap(({ id, image, instances }) =>
    instances.kind === 'labels'
      ? [{ id, grey: stretched(stainToGrey(image)), labels: instances.labels }]
      : [],
  );
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
  const order = random.split(`order/${cursor.epoch}`).permutation(fields.length);
  const views = Array.from({ length: size }, (_, k) => {
    const place = cursor.position + k;
    const field = fields[order[place % fields.length] as number] as PreparedField;
    return {
      id: field.id,
      view: randomView(field.grey, field.labels, options, random.split(`view/${cursor.epoch}/${place}`)),
    };
  });
  const next = cursor.position + size;
  const isOver = next + size > fields.length;
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
