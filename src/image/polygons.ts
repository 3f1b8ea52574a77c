import { boxesOf } from './labels.js';
import type { LabelImage } from './types.js';

/** A closed ring as x, y, x, y, ...; the first corner is not repeated. */
export type Ring = readonly number[];

/** One connected piece: its outline clockwise (y down), then its holes, counter-clockwise. */
export type PolygonPart = readonly [outline: Ring, ...holes: Ring[]];

/** The outline of one cell along pixel edges, in pixels of the image. */
export interface Polygon {
  readonly label: number;
  /** Pieces joined over edges; more than one where a cell is in pieces or touches itself at a corner only. */
  readonly parts: readonly PolygonPart[];
}

/** Pixel-exact outlines with holes: filling them gives the label image back. Ids without pixels have none. */
export function polygonsOf(labels: LabelImage): Polygon[] {
  const boxes = boxesOf(labels);
  const polygons: Polygon[] = [];
  for (let label = 1; label <= labels.count; label++) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = boxes.xyxy.subarray(label * 4 - 4, label * 4);
    if (x1 > x0) polygons.push({ label, parts: partsOf(labels, label, x0, y0, x1, y1) });
  }
  return polygons;
}

/** Twice the signed area; positive for outlines, negative for holes. */
export function doubleArea(ring: Ring): number {
  let sum = 0;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    sum += (ring[j] as number) * (ring[i + 1] as number) - (ring[i] as number) * (ring[j + 1] as number);
  }
  return sum;
}

const right = 0;
const down = 1;
const left = 2;
const up = 3;

/** Follows the edges of one cell with its pixels on the right-hand side. */
function partsOf(labels: LabelImage, label: number, x0: number, y0: number, x1: number, y1: number) {
  const { width, height, data } = labels;
  const inside = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && data[y * width + x] === label;
  const stride = x1 - x0 + 1;
  const edges = new Uint8Array(stride * (y1 - y0 + 1)); // bit d: an edge leaves this corner in direction d
  const mark = (x: number, y: number, direction: number): void => {
    const k = (y - y0) * stride + x - x0;
    edges[k] = (edges[k] as number) | (1 << direction);
  };
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      if (!inside(x, y)) continue;
      if (!inside(x, y - 1)) mark(x, y, right);
      if (!inside(x + 1, y)) mark(x + 1, y, down);
      if (!inside(x, y + 1)) mark(x + 1, y + 1, left);
      if (!inside(x - 1, y)) mark(x, y + 1, up);
    }
  }
  const rings: number[][] = [];
  for (let k = 0; k < edges.length; k++) {
    while (edges[k] !== 0) rings.push(...simple(follow(edges, stride, k), x0, y0, stride));
  }
  return assembled(rings);
}

/** Corners (indexes) of one closed walk from `start`, turning towards the cell where there is a choice. */
function follow(edges: Uint8Array, stride: number, start: number): number[] {
  const steps = [1, stride, -1, -stride];
  const walk: number[] = [];
  let at = start;
  let direction = right;
  while ((((edges[at] as number) >> direction) & 1) === 0) direction++;
  do {
    walk.push(at);
    edges[at] = (edges[at] as number) & ~(1 << direction);
    at += steps[direction] as number;
    for (const turn of [1, 0, 3]) {
      const next = (direction + turn) % 4;
      if (((edges[at] as number) >> next) & 1) {
        direction = next;
        break;
      }
    }
  } while (at !== start);
  return walk;
}

/** Cuts a walk wherever it meets itself, and keeps only the corners where it turns. */
function simple(walk: readonly number[], x0: number, y0: number, stride: number): number[][] {
  const rings: number[][] = [];
  const path: number[] = [];
  const placed = new Map<number, number>();
  for (const corner of [...walk, walk[0] as number]) {
    const met = placed.get(corner);
    if (met !== undefined) {
      const loop = path.splice(met);
      for (const c of loop) placed.delete(c);
      rings.push(turnsOnly(loop, x0, y0, stride));
    }
    placed.set(corner, path.length);
    path.push(corner);
  }
  return rings;
}

function turnsOnly(loop: readonly number[], x0: number, y0: number, stride: number): number[] {
  const ring: number[] = [];
  for (const [i, corner] of loop.entries()) {
    const before = loop[(i + loop.length - 1) % loop.length] as number;
    const after = loop[(i + 1) % loop.length] as number;
    if (corner - before !== after - corner)
      ring.push(x0 + (corner % stride), y0 + Math.floor(corner / stride));
  }
  return ring;
}

/** Gives each hole to the outline around it. */
function assembled(rings: readonly number[][]): PolygonPart[] {
  const parts = rings.filter((ring) => doubleArea(ring) > 0).map((ring): [Ring, ...Ring[]] => [ring]);
  for (const hole of rings.filter((ring) => doubleArea(ring) < 0)) {
    const owners = parts.filter(([outline]) => parts.length === 1 || surrounds(outline, hole));
    owners.sort((a, b) => doubleArea(a[0]) - doubleArea(b[0]));
    owners[0]?.push(hole);
  }
  return parts;
}

/** Whether the middle of the hole's first pixel column lies in the outline. */
function surrounds(outline: Ring, hole: Ring): boolean {
  const [x, y] = pixelIn(hole);
  let isInside = false;
  for (let i = 0, j = outline.length - 2; i < outline.length; j = i, i += 2) {
    const ay = outline[i + 1] as number;
    const by = outline[j + 1] as number;
    if (ay > y === by > y) continue;
    const ax = outline[i] as number;
    const bx = outline[j] as number;
    if (x < ax + ((y - ay) / (by - ay)) * (bx - ax)) isInside = !isInside;
  }
  return isInside;
}

/** The centre of a pixel inside a ring: right below its topmost, leftmost corner. */
function pixelIn(ring: Ring): [number, number] {
  let best = 0;
  for (let i = 2; i < ring.length; i += 2) {
    const higher = (ring[i + 1] as number) - (ring[best + 1] as number);
    if (higher < 0 || (higher === 0 && (ring[i] as number) < (ring[best] as number))) best = i;
  }
  return [(ring[best] as number) + 0.5, (ring[best + 1] as number) + 0.5];
}
