import { DataError } from '../core/errors.js';
import type { LabelImage } from '../image/types.js';

export interface DrawnInstances {
  readonly labels: LabelImage;
  readonly warnings: readonly string[];
}

/**
 * Draws objects into one label image. Ids follow the order given; a pixel claimed twice goes to the smaller object, equal
 * areas to the lower id.
 *
 * @param objects for each object the flat indexes of its pixels
 * @param hidden what to do about objects without a pixel of their own: `error`, or `drop` them with a warning
 * @throws DataError when an object would vanish and `hidden` is `error`
 */
export function drawInstances(
  objects: readonly Uint32Array[],
  height: number,
  width: number,
  where: string,
  hidden: 'error' | 'drop' = 'error',
): DrawnInstances {
  const data = new Uint32Array(height * width);
  let contested = 0;
  for (const [i, pixels] of objects.entries()) {
    for (const p of pixels) {
      const owner = data[p] as number;
      if (owner !== 0) contested++;
      if (owner === 0 || pixels.length < (objects[owner - 1] as Uint32Array).length) data[p] = i + 1;
    }
  }
  const seen = new Set(data);
  const vanished = objects.flatMap((_, i) => (seen.has(i + 1) ? [] : [i + 1]));
  const told = `${vanished.length} objects have no pixel of their own (${vanished.slice(0, 5).join(', ')})`;
  if (vanished.length > 0 && hidden === 'error') {
    throw new DataError(`${where}: ${told}`, {
      where,
      fix: 'remove masks that are empty or lie wholly under smaller ones',
    });
  }
  const warnings =
    contested === 0 ? [] : [`${contested} pixels belong to two objects; each went to the smaller one`];
  if (vanished.length === 0) return { labels: { height, width, data, count: objects.length }, warnings };
  const gone = new Set(vanished);
  const final = new Uint32Array(objects.length + 1);
  for (let id = 1, next = 0; id <= objects.length; id++) if (!gone.has(id)) final[id] = ++next;
  for (let i = 0; i < data.length; i++) data[i] = final[data[i] as number] as number;
  const count = objects.length - vanished.length;
  return { labels: { height, width, data, count }, warnings: [...warnings, `${told}; they are left out`] };
}
