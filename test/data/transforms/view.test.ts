import { expect, test } from '@jest/globals';
import { TURNS } from '../../../src/data/transforms/rightAngles.js';
import { IDENTITY, joined, MIRROR } from '../../../src/data/transforms/transform.js';
import { warp, warpBoxes } from '../../../src/data/transforms/warp.js';
import { boxesOf } from '../../../src/image/labels.js';
import type { LabelImage } from '../../../src/image/types.js';

/** Three rectangles, one of them at the field's border. */
function field(): LabelImage {
  const data = new Uint32Array(40 * 30);
  const fill = (id: number, x0: number, y0: number, x1: number, y1: number) => {
    for (let y = y0; y < y1; y++) data.fill(id, y * 40 + x0, y * 40 + x1);
  };
  fill(1, 4, 6, 12, 11);
  fill(2, 20, 2, 25, 14);
  fill(3, 30, 20, 40, 30);
  return { height: 30, width: 40, data, count: 3 };
}

const POSITIONS = [IDENTITY, MIRROR].flatMap((m) => TURNS.map((turn) => joined(m, turn)));

test.each(POSITIONS)('boxes move as masks do: %p', ({ a, b, c, d }) => {
  const labels = field();
  const [x, y] = [20, 15]; // the middle of the field comes to the middle of the view
  const map = { a: 2 * a, b: 2 * b, c: 2 * c, d: 2 * d, size: [80, 80] as const };
  const placed = { ...map, tx: 40 - map.a * x - map.b * y, ty: 40 - map.c * x - map.d * y };
  const patch = { height: 30, width: 40, channels: 1, values: new Float32Array(40 * 30), labels };
  const byMasks = boxesOf(warp(patch, placed, 80).labels).xyxy;
  const byBoxes = warpBoxes(boxesOf(labels), placed, 80).xyxy;
  const sorted = (boxes: Float32Array) =>
    Array.from({ length: boxes.length / 4 }, (_, i) => [...boxes.subarray(4 * i, 4 * i + 4)].join()).sort();
  expect(byMasks).toHaveLength(12);
  expect(sorted(byBoxes)).toEqual(sorted(byMasks));
});

test('a box that lies mostly outside a view is dropped, another is clipped', () => {
  const boxes = { count: 2, xyxy: Float32Array.of(-8, 0, 2, 10, 5, 5, 15, 15) };
  const map = { ...IDENTITY, tx: 0, ty: 0, size: [12, 12] as const };
  expect([...warpBoxes(boxes, map, 12).xyxy]).toEqual([5, 5, 12, 12]);
});
