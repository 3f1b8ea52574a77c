import type { OverlapTable } from '../../image/overlap.js';
import { matchAll } from './match.js';

const total = (areas: Uint32Array): number => areas.reduce((sum, area) => sum + area, 0);

/**
 * Aggregated Jaccard index of Kumar et al. 2017: every true object takes its best prediction, several may take the same;
 * predictions that nobody took count as union. 1 where both images are empty.
 */
export function aggregatedJaccard(table: OverlapTable, iou: Float64Array): number {
  const best = new Map<number, number>();
  for (let k = 0; k < table.length; k++) {
    const known = best.get(table.first[k] as number);
    if (known === undefined || (iou[k] as number) > (iou[known] as number))
      best.set(table.first[k] as number, k);
  }
  const taken = new Set<number>();
  let shared = 0;
  let union = total(table.firstAreas);
  for (const k of best.values()) {
    const second = table.second[k] as number;
    const area = table.secondAreas[second - 1] as number;
    taken.add(second);
    shared += table.pixels[k] as number;
    union += area - (table.pixels[k] as number);
  }
  for (const [i, area] of table.secondAreas.entries()) if (!taken.has(i + 1)) union += area;
  return union === 0 ? 1 : shared / union;
}

/** As Cellpose computes it: intersections of one-to-one pairs over the pixels that are foreground in either image. */
export function oneToOneJaccard(table: OverlapTable): number {
  const union = total(table.firstAreas) + total(table.secondAreas) - total(table.pixels);
  const shared = matchAll(table).reduce((sum, k) => sum + (table.pixels[k] as number), 0);
  return union === 0 ? 1 : shared / union;
}
