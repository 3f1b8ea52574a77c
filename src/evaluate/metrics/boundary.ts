import { outlineMask } from '../../image/draw.js';
import type { LabelImage } from '../../image/types.js';

/** How far in pixels an outline may be from the true one and still be right. */
export const BOUNDARY_TOLERANCE = 2;

/**
 * Boundary F1 (the BF score of Csurka et al. 2013, after Martin et al. 2004): precision is the share of predicted
 * outline pixels within `tolerance` pixels (Euclidean) of a true outline pixel, recall the reverse, F1 their harmonic
 * mean. Outline pixels are the pixels of an object that touch another value, or the image's border, over an edge. Which
 * object an outline belongs to does not matter. 1 where neither image has objects, 0 where one alone has.
 *
 * The usual tolerance of 0.75 % of the image's diagonal says nothing about cells, so it is fixed in pixels.
 */
export function boundaryF1(
  truth: LabelImage,
  predicted: LabelImage,
  tolerance: number = BOUNDARY_TOLERANCE,
): number {
  if (truth.count === 0 || predicted.count === 0) return truth.count === predicted.count ? 1 : 0;
  const real = outlineMask(truth);
  const found = outlineMask(predicted);
  const near = discOffsets(tolerance);
  const precision = shareNear(found, real, truth.width, near);
  const recall = shareNear(real, found, truth.width, near);
  return precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
}

/** dx, dy of all pixels within the radius, nearest first. */
function discOffsets(radius: number): readonly (readonly [number, number])[] {
  const reach = Math.floor(radius);
  const offsets: [number, number][] = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) if (dx * dx + dy * dy <= radius * radius) offsets.push([dx, dy]);
  return offsets.sort(([a, b], [c, d]) => a * a + b * b - c * c - d * d);
}

/** Share of the set pixels of `mask` that have a set pixel of `other` at one of the offsets. */
function shareNear(
  mask: Uint8Array,
  other: Uint8Array,
  width: number,
  offsets: readonly (readonly [number, number])[],
): number {
  const height = mask.length / width;
  let count = 0;
  let hits = 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (mask[i] === 0) continue;
      count++;
      for (const [dx, dy] of offsets) {
        const [u, v] = [x + dx, y + dy];
        if (u < 0 || v < 0 || u >= width || v >= height || other[v * width + u] === 0) continue;
        hits++;
        break;
      }
    }
  }
  return count === 0 ? 0 : hits / count;
}
