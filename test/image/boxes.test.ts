import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  boxAreas,
  boxesFrom,
  boxIou,
  boxIouTable,
  clipBoxes,
  fromCentreSize,
  fromCornerSize,
  fromInclusive,
  scaleBoxes,
  suppress,
  takeBoxes,
  toCentreSize,
} from '../../src/image/boxes.js';

describe('boxes', () => {
  test('the detector form and back is the identity', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 512 }), { minLength: 4, maxLength: 40 }), (v) => {
        const n = Math.floor(v.length / 4);
        const rows = Array.from({ length: n }, (_, i) => {
          const [a = 0, b = 0, c = 0, d = 0] = v.slice(i * 4);
          return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)] as const;
        });
        const boxes = boxesFrom(rows);
        const back = fromCentreSize(toCentreSize(boxes, 300, 700), 300, 700);
        for (const [i, x] of boxes.xyxy.entries()) expect(back.xyxy[i]).toBeCloseTo(x, 2);
      }),
    );
  });

  test('other formats arrive as edges', () => {
    expect([...fromInclusive([2, 3, 4, 3]).xyxy]).toEqual([2, 3, 5, 4]);
    expect([...fromCornerSize([2, 3, 4, 5]).xyxy]).toEqual([2, 3, 6, 8]);
  });

  test('IoU: equal, apart, touching, half', () => {
    const boxes = boxesFrom([
      [0, 0, 2, 2],
      [5, 5, 6, 6],
      [2, 0, 4, 2],
      [0, 0, 2, 1],
    ]);
    expect([...boxIouTable(takeBoxes(boxes, [0]), boxes)]).toEqual([1, 0, 0, 0.5]);
    expect([...boxAreas(boxes)]).toEqual([4, 1, 4, 2]);
    expect(boxIou(boxesFrom([[1, 1, 1, 1]]), 0, boxesFrom([[1, 1, 1, 1]]), 0)).toBe(0);
  });

  test('suppression keeps the best of each heap', () => {
    const boxes = boxesFrom([
      [0, 0, 10, 10],
      [1, 0, 11, 10],
      [20, 0, 30, 10],
    ]);
    expect(suppress(boxes, [0.5, 0.9, 0.7], 0.5)).toEqual([1, 2]);
    expect([...clipBoxes(scaleBoxes(takeBoxes(boxes, [2]), 2, 0.5), 4, 50).xyxy]).toEqual([40, 0, 50, 4]);
  });
});
