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
 * @throws DataError when an object would vanish
 */
export function drawInstances(
  objects: readonly Uint32Array[],
  height: number,
  width: number,
  where: string,
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
  const seen = new Uint8Array(objects.length + 1);
  for (const id of data) seen[id] = 1;
  const vanished = objects.flatMap((_, i) => (seen[i + 1] === 1 ? [] : [i + 1]));
  if (vanished.length > 0) {
    throw new DataError(
      `${where}: ${vanished.length} objects have no pixel of their own (${vanished.slice(0, 5).join(', ')})`,
      {
        where,
        fix: 'remove masks that are empty or lie wholly under smaller ones',
      },
    );
  }
  const warnings =
    contested === 0 ? [] : [`${contested} pixels belong to two objects; each went to the smaller one`];
  return { labels: { height, width, data, count: objects.length }, warnings };
}
