import { expect, test } from '@jest/globals';
import { cutBoxes, cutView } from '../../../src/data/transforms/view.js';
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

test.each([0, 1, 2, 3].flatMap((turn) => [false, true].map((isMirrored) => ({ turn, isMirrored }))))(
  'boxes move as masks do, turned by $turn right angles, mirrored: $isMirrored',
  ({ turn, isMirrored }) => {
    const labels = field();
    const placement = { left: 0, top: 0, scale: 2, turn, isMirrored };
    const moved = cutView(new Float32Array(40 * 30), labels, placement, 80).labels;
    const byMasks = boxesOf(moved).xyxy;
    const byBoxes = cutBoxes(boxesOf(labels).xyxy, placement, 80);
    const sorted = (boxes: Float32Array) =>
      Array.from({ length: boxes.length / 4 }, (_, i) => [...boxes.subarray(4 * i, 4 * i + 4)].join()).sort();
    expect(moved.count).toBe(3);
    expect(sorted(byBoxes)).toEqual(sorted(byMasks));
  },
);

test('a box that lies mostly outside a view is dropped, another is clipped', () => {
  const boxes = Float32Array.of(-8, 0, 2, 10, 5, 5, 15, 15);
  const placement = { left: 0, top: 0, scale: 1, turn: 0, isMirrored: false };
  expect([...cutBoxes(boxes, placement, 12)]).toEqual([5, 5, 12, 12]);
});
