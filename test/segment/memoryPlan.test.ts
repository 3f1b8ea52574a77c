import { expect, test } from '@jest/globals';
import { parseBytes, tileWithin, wholePixels } from '../../src/segment/memoryPlan.js';

test('amounts of memory are understood in both kinds of units, other texts are not', () => {
  expect(['4GB', '1.5 gib', '800 MB'].map(parseBytes)).toEqual([4e9, 1.5 * 2 ** 30, 8e8]);
  expect(['', '4', 'GB', '4 XB', '-1 GB'].map(parseBytes)).toEqual(Array(5).fill(undefined));
});

test('less memory means smaller images at once and smaller tiles, down to an error that says how much it takes', () => {
  expect(wholePixels(3e9, 1e9, 2)).toBeGreaterThan(2 * wholePixels(1.9e9, 1e9, 2));
  expect(() => wholePixels(1e9, 1e9, 2)).toThrow('the model alone needs about 1.0 GB');
  expect(tileWithin(4e9, 1e9, 20_000, 1024)).toBe(1024);
  const side = tileWithin(1.2e9, 1e9, 20_000, 1024);
  expect(side).toBeGreaterThan(128);
  expect(side).toBeLessThan(1024);
  expect(() => tileWithin(1.06e9, 1e9, 200_000, 1024)).toThrow(/200000 pixels wide needs about 1\.5 GB/);
});
