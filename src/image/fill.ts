import type { Ring } from './polygons.js';

/**
 * Pixels whose centre lies inside rings, by the even-odd rule, so that a ring within another is a hole. Outlines along
 * pixel edges give back exactly the pixels that they were drawn around.
 *
 * @param rings x, y, x, y, ... in pixels, closed by themselves
 * @returns flat indexes, rising; parts outside the image are left out
 */
export function fillRings(rings: readonly Ring[], height: number, width: number): Uint32Array {
  let [top, bottom] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const ring of rings)
    for (let i = 1; i < ring.length; i += 2) {
      top = Math.min(top, ring[i] as number);
      bottom = Math.max(bottom, ring[i] as number);
    }
  const pixels: number[] = [];
  const last = Math.min(height - 1, Math.ceil(bottom - 0.5) - 1);
  for (let y = Math.max(0, Math.ceil(top - 0.5)); y <= last; y++) {
    const crossings = crossingsAt(rings, y + 0.5);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const from = Math.max(0, Math.ceil((crossings[k] as number) - 0.5));
      const to = Math.min(width, Math.ceil((crossings[k + 1] as number) - 0.5));
      for (let x = from; x < to; x++) pixels.push(y * width + x);
    }
  }
  return Uint32Array.from(pixels);
}

function crossingsAt(rings: readonly Ring[], y: number): number[] {
  const found: number[] = [];
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
      const [ay, by] = [ring[i + 1] as number, ring[j + 1] as number];
      if (ay > y === by > y) continue;
      const [ax, bx] = [ring[i] as number, ring[j] as number];
      found.push(ax + ((y - ay) / (by - ay)) * (bx - ax));
    }
  }
  return found.sort((a, b) => a - b);
}

/** Pixels of several parts together, each once, rising. */
export function union(parts: readonly Uint32Array[]): Uint32Array {
  if (parts.length === 1) return parts[0] as Uint32Array;
  return Uint32Array.from(new Set(parts.flatMap((part) => [...part]))).sort();
}

/**
 * An outline and what it encloses.
 *
 * @param outline `[H, W]`, above 0 on the outline; joined by corners at least
 * @returns flat indexes, rising: all that cannot be reached from beyond the border without crossing the outline
 */
export function fillOutline(outline: ArrayLike<number>, height: number, width: number): Uint32Array {
  const isOutside = new Uint8Array(height * width);
  const queue: number[] = [];
  const visit = (x: number, y: number): void => {
    const i = y * width + x;
    if (x < 0 || y < 0 || x >= width || y >= height || isOutside[i] === 1 || (outline[i] as number) > 0)
      return;
    isOutside[i] = 1;
    queue.push(i);
  };
  for (let x = 0; x < width; x++) for (const y of [0, height - 1]) visit(x, y);
  for (let y = 0; y < height; y++) for (const x of [0, width - 1]) visit(x, y);
  for (let i = queue.pop(); i !== undefined; i = queue.pop()) {
    const [x, y] = [i % width, Math.floor(i / width)];
    visit(x - 1, y);
    visit(x + 1, y);
    visit(x, y - 1);
    visit(x, y + 1);
  }
  const inside: number[] = [];
  for (let i = 0; i < isOutside.length; i++) if (isOutside[i] === 0) inside.push(i);
  return Uint32Array.from(inside);
}
