import { describe, expect, test } from '@jest/globals';
import { drawInstances } from '../../src/data/drawInstances.js';

const pixels = (...indexes: number[]) => Uint32Array.from(indexes);

describe('drawing objects into one label image', () => {
  test('a pixel claimed twice goes to the smaller object, and is counted', () => {
    const { labels, warnings } = drawInstances([pixels(0, 1, 2), pixels(2, 3)], 1, 4, 'x');
    expect([...labels.data]).toEqual([1, 1, 2, 2]);
    expect(warnings).toEqual(['1 pixels belong to two objects; each went to the smaller one']);
  });

  test('of equal areas the lower id keeps the pixel', () => {
    expect([...drawInstances([pixels(0, 1), pixels(1, 2)], 1, 3, 'x').labels.data]).toEqual([1, 1, 2]);
  });

  test('an object that would vanish is an error', () => {
    expect(() => drawInstances([pixels(0, 1), pixels(1, 0)], 1, 2, 'x')).toThrow(
      /1 objects have no pixel of their own/,
    );
  });

  test('no objects give an empty label image', () => {
    expect(drawInstances([], 1, 2, 'x').labels.count).toBe(0);
  });
});
