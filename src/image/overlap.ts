import type { LabelImage } from './types.js';

/** The pairs of objects of two label images that share pixels; nothing is stored for pairs that do not. */
export interface OverlapTable {
  /** Pairs, sorted by `first`, then `second`. */
  readonly length: number;
  /** Label in the first image, `[length]`. */
  readonly first: Uint32Array;
  /** Label in the second image, `[length]`. */
  readonly second: Uint32Array;
  /** Pixels in common, `[length]`. */
  readonly pixels: Uint32Array;
  /** Pixels of each object of the first image, object i + 1 at index i. */
  readonly firstAreas: Uint32Array;
  readonly secondAreas: Uint32Array;
}

/**
 * Counts shared pixels of all pairs in time linear in pixels, memory linear in objects and touching pairs.
 *
 * @throws RangeError when the sizes differ
 */
export function overlapTable(a: LabelImage, b: LabelImage): OverlapTable {
  if (a.height !== b.height || a.width !== b.width) {
    throw new RangeError(
      `label images of different size: ${a.height} x ${a.width} and ${b.height} x ${b.width}`,
    );
  }
  const firstAreas = new Uint32Array(a.count + 1);
  const secondAreas = new Uint32Array(b.count + 1);
  const counts = new Map<number, number>();
  const stride = b.count + 1;
  let run = 0;
  let runKey = 0;
  for (let i = 0; i < a.data.length; i++) {
    const p = a.data[i] as number;
    const q = b.data[i] as number;
    firstAreas[p] = (firstAreas[p] as number) + 1;
    secondAreas[q] = (secondAreas[q] as number) + 1;
    const key = p !== 0 && q !== 0 ? p * stride + q : 0;
    if (key !== runKey) {
      if (runKey !== 0) counts.set(runKey, (counts.get(runKey) ?? 0) + run);
      runKey = key;
      run = 0;
    }
    run++;
  }
  if (runKey !== 0) counts.set(runKey, (counts.get(runKey) ?? 0) + run);
  return tableFrom(counts, stride, firstAreas.subarray(1), secondAreas.subarray(1));
}

function tableFrom(
  counts: ReadonlyMap<number, number>,
  stride: number,
  firstAreas: Uint32Array,
  secondAreas: Uint32Array,
): OverlapTable {
  const keys = Float64Array.from(counts.keys()).sort();
  return {
    length: keys.length,
    first: Uint32Array.from(keys, (key) => Math.floor(key / stride)),
    second: Uint32Array.from(keys, (key) => key % stride),
    pixels: Uint32Array.from(keys, (key) => counts.get(key) as number),
    firstAreas,
    secondAreas,
  };
}

/** Intersection over union of each pair of the table, `[length]`. */
export function overlapIou(table: OverlapTable): Float64Array {
  return Float64Array.from({ length: table.length }, (_, k) => {
    const shared = table.pixels[k] as number;
    const a = table.firstAreas[(table.first[k] as number) - 1] as number;
    const b = table.secondAreas[(table.second[k] as number) - 1] as number;
    return shared / (a + b - shared);
  });
}
