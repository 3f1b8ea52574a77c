import type { Boxes, LabelImage } from './types.js';

/** A label image whose ids are the rank of the ids found, 1 .. count without gaps, and those ids. */
export interface Relabelled {
  readonly labels: LabelImage;
  /** `ids[i]` is what object i + 1 was called before; rising. */
  readonly ids: Uint32Array;
}

/** Renumbers arbitrary non-negative integer ids (0 is background) to 1 .. count in the order of the ids. */
export function relabel(ids: ArrayLike<number>, height: number, width: number): Relabelled {
  const found = new Set<number>();
  let previous = 0;
  for (let i = 0; i < height * width; i++) {
    const id = ids[i] as number;
    if (id !== previous && id !== 0) found.add(id);
    previous = id;
  }
  const sorted = Uint32Array.from(found).sort();
  const rank = new Map<number, number>();
  for (const [i, id] of sorted.entries()) rank.set(id, i + 1);
  const data = new Uint32Array(height * width);
  let last = 0;
  let lastRank = 0;
  for (let i = 0; i < data.length; i++) {
    const id = ids[i] as number;
    if (id === 0) continue;
    if (id !== last) {
      last = id;
      lastRank = rank.get(id) as number;
    }
    data[i] = lastRank;
  }
  return { labels: { height, width, data, count: sorted.length }, ids: sorted };
}

/** Pixels of each object: `[count]`, object i + 1 at index i. */
export function areasOf(labels: LabelImage): Uint32Array {
  const areas = new Uint32Array(labels.count + 1);
  for (const label of labels.data) areas[label] = (areas[label] as number) + 1;
  return areas.subarray(1);
}

/**
 * The box of each object, its outermost pixel edges `[min x, min y, max x + 1, max y + 1]`; `[0, 0, 0, 0]` for an id
 * without pixels.
 */
export function boxesOf(labels: LabelImage): Boxes {
  const { width, height, data, count } = labels;
  const edges = new Int32Array(count * 4);
  for (let i = 0; i < count; i++) edges.set([width, height, 0, 0], i * 4);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = data[i] as number;
      if (label === 0) continue;
      const k = (label - 1) * 4;
      if (x < (edges[k] as number)) edges[k] = x;
      if (y < (edges[k + 1] as number)) edges[k + 1] = y;
      if (x >= (edges[k + 2] as number)) edges[k + 2] = x + 1;
      if (y >= (edges[k + 3] as number)) edges[k + 3] = y + 1;
    }
  }
  for (let i = 0; i < count; i++) if (edges[i * 4 + 2] === 0) edges.fill(0, i * 4, i * 4 + 4);
  return { count, xyxy: Float32Array.from(edges) };
}

/**
 * Connected components of equal non-zero values; two touching objects of different values stay apart. Numbered by
 * their first pixel in reading order.
 *
 * @param connectivity 4 (edges) or 8 (edges and corners)
 */
export function components(
  values: ArrayLike<number>,
  height: number,
  width: number,
  connectivity: 4 | 8,
): LabelImage {
  const data = new Uint32Array(height * width);
  const parent: number[] = [0];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const value = values[i] as number;
      if (value === 0) continue;
      let root = 0;
      if (x > 0 && values[i - 1] === value) root = joined(parent, root, data[i - 1] as number);
      if (y > 0) {
        const up = i - width;
        if (values[up] === value) root = joined(parent, root, data[up] as number);
        if (connectivity === 8) {
          if (x > 0 && values[up - 1] === value) root = joined(parent, root, data[up - 1] as number);
          if (x + 1 < width && values[up + 1] === value) root = joined(parent, root, data[up + 1] as number);
        }
      }
      if (root === 0) {
        root = parent.length;
        parent.push(root);
      }
      data[i] = root;
    }
  }
  return { height, width, data, count: numberRoots(data, parent) };
}

/** The root of two sets after joining them; the smaller number wins, so the first pixel names the set. */
function joined(parent: number[], a: number, b: number): number {
  const rootB = rootOf(parent, b);
  if (a === 0) return rootB;
  const rootA = rootOf(parent, a);
  if (rootA < rootB) {
    parent[rootB] = rootA;
    return rootA;
  }
  parent[rootA] = rootB;
  return rootB;
}

/** Follows parents to the root, halving the path on the way. */
export function rootOf(parent: number[], node: number): number {
  let at = node;
  while (parent[at] !== at) {
    parent[at] = parent[parent[at] as number] as number;
    at = parent[at] as number;
  }
  return at;
}

/** Replaces provisional labels by 1 .. count, in the order of the roots, and tells the count. */
function numberRoots(data: Uint32Array, parent: number[]): number {
  const final = new Uint32Array(parent.length);
  let count = 0;
  for (let k = 1; k < parent.length; k++) {
    const root = rootOf(parent, k);
    if (root === k) final[k] = ++count;
    else final[k] = final[root] as number;
  }
  for (let i = 0; i < data.length; i++) data[i] = final[data[i] as number] as number;
  return count;
}
