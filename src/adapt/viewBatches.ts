import type { Random } from '../core/random.js';
import { type PixelScale, toBatch } from '../data/batches.js';
import type { Batch, Cursor } from '../data/sample.js';
import type { FixedView } from './views.js';

/** The views at a cursor: every epoch in a new order. */
export function batchOf(
  views: readonly FixedView[],
  cursor: Cursor,
  size: number,
  scale: PixelScale,
  random: Random,
): { readonly batch: Batch; readonly chosen: readonly FixedView[] } {
  const order = random.split(`order/${cursor.epoch}`).permutation(views.length);
  const chosen = Array.from(
    { length: Math.min(size, views.length) },
    (_, k) => views[order[(cursor.position + k) % views.length] as number] as FixedView,
  );
  const position = cursor.position + chosen.length;
  const isOver = position + chosen.length > views.length;
  const next = isOver ? { epoch: cursor.epoch + 1, position: 0, random: [] } : { ...cursor, position };
  return { chosen, batch: { ...toBatch(chosen, scale), cursor: next } };
}
