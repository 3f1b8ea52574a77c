import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { areasOf, boxesOf, components, relabel } from '../../src/image/labels.js';
import { overlapIou, overlapTable } from '../../src/image/overlap.js';
import '../support/matchers.js';

const field = (max: number) =>
  fc
    .record({ height: fc.integer({ min: 0, max: 9 }), width: fc.integer({ min: 1, max: 9 }) })
    .chain(({ height, width }) =>
      fc.record({
        height: fc.constant(height),
        width: fc.constant(width),
        ids: fc.array(fc.integer({ min: 0, max }), { minLength: height * width, maxLength: height * width }),
      }),
    );

describe('label images', () => {
  test('ids with gaps are renumbered in their order', () => {
    const { labels, ids } = relabel([0, 70000, 5, 5, 0, 9], 2, 3);
    expect(labels).toEqualLabels(['0 3 1', '1 0 2']);
    expect([...ids]).toEqual([5, 9, 70000]);
  });

  test('the box of an object is its outermost pixel edges', () => {
    const { labels } = relabel([0, 1, 1, 0, 1, 0, 2, 0, 0], 3, 3);
    expect([...boxesOf(labels).xyxy]).toEqual([1, 0, 3, 2, 0, 2, 1, 3]);
  });

  test('areas and boxes equal what a scan per object finds', () => {
    fc.assert(
      fc.property(field(4), ({ height, width, ids }) => {
        const { labels } = relabel(ids, height, width);
        const boxes = boxesOf(labels);
        const areas = areasOf(labels);
        for (let label = 1; label <= labels.count; label++) {
          const at = [...labels.data.keys()].filter((i) => labels.data[i] === label);
          const xs = at.map((i) => i % width);
          const ys = at.map((i) => Math.floor(i / width));
          expect(areas[label - 1]).toBe(at.length);
          expect([...boxes.xyxy.subarray(label * 4 - 4, label * 4)]).toEqual([
            Math.min(...xs),
            Math.min(...ys),
            Math.max(...xs) + 1,
            Math.max(...ys) + 1,
          ]);
        }
      }),
    );
  });

  test.each([4, 8] as const)('components with %i neighbours equal a flood fill', (connectivity) => {
    fc.assert(
      fc.property(field(2), ({ height, width, ids }) => {
        const found = components(ids, height, width, connectivity);
        expect([...found.data]).toEqual(flooded(ids, height, width, connectivity));
      }),
    );
  });

  test('the overlap table equals counting every pair', () => {
    fc.assert(
      fc.property(field(3), fc.integer(), ({ height, width, ids }, shift) => {
        const a = relabel(ids, height, width).labels;
        const b = relabel(
          ids.map((v, i) => (v * 7 + i + Math.abs(shift % 5)) % 4),
          height,
          width,
        ).labels;
        const table = overlapTable(a, b);
        const pairs: number[][] = [];
        for (let p = 1; p <= a.count; p++)
          for (let q = 1; q <= b.count; q++) {
            const n = [...a.data.keys()].filter((i) => a.data[i] === p && b.data[i] === q).length;
            if (n > 0) pairs.push([p, q, n]);
          }
        expect(pairs).toEqual(
          Array.from({ length: table.length }, (_, k) => [table.first[k], table.second[k], table.pixels[k]]),
        );
      }),
    );
  });

  test('IoU of the pairs is shared over joint pixels', () => {
    const a = relabel([1, 1, 0, 2], 1, 4).labels;
    const b = relabel([0, 1, 1, 1], 1, 4).labels;
    expect([...overlapIou(overlapTable(a, b))]).toEqual([1 / 4, 1 / 3]);
    expect(overlapTable(a, relabel([0, 0, 0, 0], 1, 4).labels).length).toBe(0);
    expect(() => overlapTable(a, relabel([0], 1, 1).labels)).toThrow('1 x 4 and 1 x 1');
  });
});

function flooded(values: readonly number[], height: number, width: number, connectivity: number): number[] {
  const out = values.map(() => 0);
  let count = 0;
  for (let start = 0; start < values.length; start++) {
    if (values[start] === 0 || out[start] !== 0) continue;
    count++;
    const stack = [start];
    while (stack.length > 0) {
      const i = stack.pop() as number;
      if (out[i] !== 0) continue;
      out[i] = count;
      for (let dy = -1; dy <= 1; dy++)
        for (let dx = -1; dx <= 1; dx++) {
          if (connectivity === 4 && dx !== 0 && dy !== 0) continue;
          const x = (i % width) + dx;
          const y = Math.floor(i / width) + dy;
          if (x < 0 || y < 0 || x >= width || y >= height) continue;
          if (values[y * width + x] === values[start] && out[y * width + x] === 0) stack.push(y * width + x);
        }
    }
  }
  return out;
}
