import type { Random } from '../core/random.js';
import { boxesOf } from '../image/labels.js';
import { FieldOrder } from './loader/order.js';
import type { PreparedField } from './prepared.js';
import type { Batch, Cursor } from './sample.js';
import { augmentOptions } from './transforms/augment.js';
import { randomView, type View, type ViewOptions } from './transforms/view.js';

/** What a model wants its pixels to look like; values 0..255. */
export interface PixelScale {
  readonly pixelMean: readonly [number, number, number];
  readonly pixelStd: readonly [number, number, number];
}

/** A batch without the place in the order that it was made for. */
export type BatchContent = Omit<Batch, 'cursor'>;

/** Views of one side as a batch: channels in their places, normalised, black outside the content. */
export function toBatch(views: readonly (View & { readonly id: string })[], scale: PixelScale): BatchContent {
  const side = views[0]?.width ?? 0;
  const images = new Float32Array(views.length * side * side * 3);
  for (const [b, view] of views.entries())
    writePixels(view, scale, images.subarray(b * side * side * 3, (b + 1) * side * side * 3));
  const boxes = views.map((view) => (view.boxesOnly ?? boxesOf(view.labels)).xyxy);
  const offsets = new Int32Array(views.length + 1);
  for (const [b, own] of boxes.entries()) offsets[b + 1] = (offsets[b] as number) + own.length / 4;
  const joined = new Float32Array((offsets[views.length] as number) * 4);
  for (const [b, own] of boxes.entries()) joined.set(own, 4 * (offsets[b] as number));
  const content = {
    images,
    sizes: Int32Array.from(views.flatMap(({ size }) => [...size])),
    boxes: joined,
    offsets,
    ids: views.map(({ id }) => id),
  };
  const hasMasks = views.every((view) => view.boxesOnly === undefined);
  return hasMasks ? { ...content, masks: views.map(({ labels }) => labels) } : content;
}

/** The last channel of a view is the third of the model, and so on; those that it has not are 0 before normalisation. */
function writePixels(view: View, { pixelMean, pixelStd }: PixelScale, out: Float32Array): void {
  const { width: side, channels, values } = view;
  const [height, width] = view.size;
  const black = [0, 1, 2].map((slot) => -(pixelMean[slot] as number) / (pixelStd[slot] as number));
  const first = 3 - channels;
  for (let slot = 0; slot < 3; slot++) {
    const [bias, factor] = [black[slot] as number, 255 / (pixelStd[slot] as number)];
    if (slot < first) {
      for (let o = slot; o < out.length; o += 3) out[o] = bias;
      continue;
    }
    for (let y = 0; y < side; y++) {
      const shown = y < height ? width : 0;
      const row = y * side;
      for (
        let x = 0, o = 3 * row + slot, i = row * channels + slot - first;
        x < shown;
        x++, o += 3, i += channels
      )
        out[o] = factor * (values[i] as number) + bias;
      for (let x = shown, o = 3 * (row + shown) + slot; x < side; x++, o += 3) out[o] = bias;
    }
  }
}

/** What `batchAt` may be told; the rest has the defaults of the configuration. */
export type BatchOptions = Partial<ViewOptions> &
  Pick<ViewOptions, 'side' | 'scale'> &
  PixelScale & {
    /** How often fields with a bright background come in an epoch. */ readonly repeatInverted?: number;
  };

/**
 * The training batch at a cursor, of fields that are in memory: which fields, and how they are cut, follows from the seed,
 * the epoch and the position alone. The same as a `Loader`'s of one dataset.
 */
export function batchAt(
  fields: readonly PreparedField[],
  cursor: Cursor,
  size: number,
  options: BatchOptions,
  random: Random,
): Batch {
  const times = ({ wasInverted }: PreparedField) => (wasInverted ? (options.repeatInverted ?? 1) : 1);
  const pool = fields.flatMap((field, i) => Array(times(field)).fill(i) as number[]);
  const order = new FieldOrder([{ pool, weight: 1 }], random);
  const view = { fit: 'crop', augment: augmentOptions.parse({}), ...options } as const;
  const views = Array.from({ length: size }, (_, k) => {
    const place = cursor.position + k;
    const field = fields[order.at(cursor.epoch, place)] as PreparedField;
    return {
      ...randomView(field, [], view, random.split(`view/${cursor.epoch}/${place}`)),
      id: field.id,
    };
  });
  return { ...toBatch(views, options), cursor: order.after(cursor, size) };
}
