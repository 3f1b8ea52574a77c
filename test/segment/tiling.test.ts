import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { boxesOf, components } from '../../src/image/labels.js';
import { overlapIou, overlapTable } from '../../src/image/overlap.js';
import type { PixelImage } from '../../src/image/types.js';
import { Cells } from '../../src/segment/cells.js';
import { segmentLarge, segmentTiled, type TileSegmenter } from '../../src/segment/large.js';
import { planTiles, type Tile } from '../../src/segment/tiles.js';

/** Finds bright connected parts: what a perfect model would find, and the same in every tile. */
const bright: TileSegmenter = {
  async segment(image) {
    const labels = components(
      image.data.map((v) => (v > 0.5 ? 1 : 0)),
      image.height,
      image.width,
      4,
    );
    return new Cells({ labels, boxes: boxesOf(labels), scores: new Float32Array(labels.count).fill(0.5) });
  },
};

function disks(side: number, count: number, seed: string): PixelImage {
  const random = new Random(seed);
  const data = new Float32Array(side * side);
  for (let n = 0; n < count; n++) {
    const [cx, cy, r] = [random.uniform(9, side - 9), random.uniform(9, side - 9), random.uniform(2, 8)];
    for (let y = Math.floor(cy - r); y < cy + r; y++)
      for (let x = Math.floor(cx - r); x < cx + r; x++)
        if (Math.hypot(x - cx, y - cy) < r) data[y * side + x] = 1;
  }
  return { height: side, width: side, channels: ['grey'], data, range: [0, 1] };
}

function copies(field: PixelImage, n: number): PixelImage {
  const side = field.width * n;
  const data = Float32Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) % field.width, Math.floor(i / side) % field.height];
    return field.data[y * field.width + x] as number;
  });
  return { ...field, height: side, width: side, data };
}

describe('tiles', () => {
  test('cover the image, share the overlap, and end at its border', () => {
    const rows = planTiles(500, 1000, 256, 64);
    const columns = rows[0] as Tile[];
    expect(columns[0]?.x0).toBe(0);
    expect(columns.at(-1)?.x1).toBe(1000);
    expect(rows.at(-1)?.[0]?.y1).toBe(500);
    for (let i = 1; i < columns.length; i++)
      expect((columns[i - 1] as Tile).x1 - (columns[i] as Tile).x0).toBeGreaterThanOrEqual(64);
    expect(planTiles(40, 30, 256, 64)).toEqual([[{ x0: 0, y0: 0, x1: 30, y1: 40 }]]);
  });

  test.each([
    [50, 20],
    [64, 24],
    [97, 30],
  ])('of %i pixels with overlap %i give what the whole image gives', async (tile, overlap) => {
    const image = disks(300, 90, 'tiling');
    const whole = await bright.segment(image, {});
    const tiled = await segmentTiled(bright, image, { tile, overlap });
    const iou = overlapIou(overlapTable(whole.labels, tiled.labels));
    const exact = iou.filter((v) => v === 1).length;
    expect(exact / whole.count).toBeGreaterThan(0.9); // heaps larger than the overlap may be cut
    expect(Math.abs(tiled.count - whole.count)).toBeLessThan(0.1 * whole.count);
    expect(tiled.scores).toHaveLength(tiled.count);
  });

  test('copies of a field that has nothing at its border give the field’s masks in every copy', async () => {
    const field = disks(90, 12, 'copies');
    const alone = await bright.segment(field, {});
    const tiled = await segmentTiled(bright, copies(field, 3), { tile: 120, overlap: 48 });
    expect(tiled.count).toBe(9 * alone.count);
    const isCell = (v: number): number => (v === 0 ? 0 : 1);
    const expected = copies({ ...field, data: Float32Array.from(alone.labels.data, isCell) }, 3).data;
    expect(Array.from(tiled.labels.data, isCell)).toEqual([...expected]);
  });

  test('rows leave in order and once, whatever the height of the tiles', async () => {
    const image = disks(130, 10, 'rows');
    const seen: number[] = [];
    const source = {
      height: 130,
      width: 130,
      read: async ({ x0, y0, x1, y1 }: Tile): Promise<PixelImage> => {
        const data = new Float32Array((x1 - x0) * (y1 - y0));
        for (let y = y0; y < y1; y++)
          data.set(image.data.subarray(y * 130 + x0, y * 130 + x1), (y - y0) * (x1 - x0));
        return { ...image, height: y1 - y0, width: x1 - x0, data };
      },
    };
    await segmentLarge(
      bright,
      source,
      async (y0, height) => {
        for (let y = y0; y < y0 + height; y++) seen.push(y);
      },
      { tile: 60, overlap: 16 },
    );
    expect(seen).toEqual(Array.from({ length: 130 }, (_, y) => y));
  });
});
