import { expect, test } from '@jest/globals';
import { boxCounts } from '../../../src/evaluate/metrics/boxCounts.js';
import { boxesFrom } from '../../../src/image/boxes.js';

const truth = boxesFrom([
  [0, 0, 10, 10],
  [20, 0, 30, 10],
]);

test('a true box counts once, for the box that overlaps it most; others are false', () => {
  const boxes = boxesFrom([
    [0, 0, 10, 9],
    [0, 0, 10, 10],
    [20, 5, 30, 20],
  ]);
  expect(boxCounts(truth, boxes)).toEqual({ tp: 1, fp: 2, fn: 1 });
  expect(boxCounts(truth, boxesFrom([[20, 0, 30, 5]]))).toEqual({ tp: 1, fp: 0, fn: 1 }); // just 0.5
});

test('a box that would take two true ones takes the better, and the other finds its own', () => {
  const [left, right] = [boxesFrom([[0, 0, 10, 10], [4, 0, 14, 10]]), boxesFrom([[3, 0, 13, 10], [0, 0, 9, 10]])]; // biome-ignore format: short
  expect(boxCounts(left, right)).toEqual({ tp: 2, fp: 0, fn: 0 });
});

test('finds nothing in nothing', () => {
  const none = boxesFrom([]);
  expect(boxCounts(none, none)).toEqual({ tp: 0, fp: 0, fn: 0 });
  expect(boxCounts(truth, none)).toEqual({ tp: 0, fp: 0, fn: 2 });
});
