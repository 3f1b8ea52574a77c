import { fillRings, union } from '../../image/fill.js';
import type { Ring } from '../../image/polygons.js';
import type { PixelImage } from '../../image/types.js';
import { drawInstances } from '../drawInstances.js';
import type { Instances } from '../sample.js';

/** One object as an annotation draws it: its parts, each an outline with holes. */
export type Shape = readonly (readonly Ring[])[];

export interface Drawn {
  readonly instances: Instances;
  readonly objectCount: number;
  readonly warnings: readonly string[];
}

/** Pixels of a shape: those whose centre it encloses. */
export function shapePixels(shape: Shape, height: number, width: number): Uint32Array {
  return union(shape.map((rings) => fillRings(rings, height, width)));
}

/** Objects as one label image; all are counted, those without a pixel of their own are left out with a warning. */
export function drawObjects(objects: readonly Uint32Array[], image: PixelImage, where: string): Drawn {
  const { labels, warnings } = drawInstances(objects, image.height, image.width, where, 'drop');
  return { instances: { kind: 'labels', labels }, objectCount: objects.length, warnings };
}

/** A ring of `[x, y]` pairs. @throws Error when a corner is no pair of numbers, or there are fewer than three */
export function ringOf(corners: unknown): Ring {
  if (!Array.isArray(corners)) throw new Error('an outline is no list of corners');
  const ring: number[] = [];
  for (const corner of corners as unknown[]) {
    const [x, y] = Array.isArray(corner) ? (corner as unknown[]) : [];
    if (typeof x !== 'number' || typeof y !== 'number' || !Number.isFinite(x) || !Number.isFinite(y))
      throw new Error('a corner is no pair of numbers');
    ring.push(x, y);
  }
  if (ring.length < 6) throw new Error(`an outline has ${ring.length / 2} corners`);
  return ring;
}

/** An ellipse in a box, as a ring fine enough for pixels. */
export function ellipse(x0: number, y0: number, x1: number, y1: number): Ring {
  const [cx, cy, rx, ry] = [(x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2];
  const corners = Math.max(32, Math.ceil(8 * Math.sqrt(Math.max(rx, ry, 1)) ** 2));
  return Array.from({ length: corners * 2 }, (_, i) => {
    const angle = (2 * Math.PI * (i >> 1)) / corners;
    return i % 2 === 0 ? cx + rx * Math.cos(angle) : cy + ry * Math.sin(angle);
  });
}
