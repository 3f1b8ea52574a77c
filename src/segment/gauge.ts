import { areasOf } from '../image/labels.js';
import type { LabelImage } from '../image/types.js';

/** CellSAM's tiles for gauging, and the share of the image below which its median cell is small. */
export const GAUGING = { tile: 400, overlap: 56, smallShare: 0.002 } as const;

/** The median cell's share of the image; 0 without cells. */
export function medianShare(labels: LabelImage): number {
  const areas = areasOf(labels)
    .filter((area) => area > 0)
    .sort();
  const n = areas.length;
  const median = n === 0 ? 0 : ((areas[(n - 1) >> 1] as number) + (areas[n >> 1] as number)) / 2;
  return median / (labels.height * labels.width);
}

/** Whether cells are so small that tiles show them better than the image as a whole; not so where there are none. */
export function areSmall(labels: LabelImage): boolean {
  const share = medianShare(labels);
  return share > 0 && share < GAUGING.smallShare;
}
