import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { boxesOf, relabel } from '../../src/image/labels.js';
import { measure } from '../../src/image/measure.js';
import { doubleArea, polygonsOf } from '../../src/image/polygons.js';
import { fromRunLengths, packRuns, runLengths } from '../../src/image/rle.js';

const image = fc
  .record({ height: fc.integer({ min: 1, max: 9 }), width: fc.integer({ min: 1, max: 9 }) })
  .chain(({ height, width }) =>
    fc
      .array(fc.integer({ min: 0, max: 2 }), { minLength: height * width, maxLength: height * width })
      .map((ids) => relabel(ids, height, width).labels),
  );

/** Even-odd filling of all rings at pixel centres. */
function filled(rings: readonly (readonly number[])[], height: number, width: number): number[] {
  return Array.from({ length: height * width }, (_, i) => {
    const x = (i % width) + 0.5;
    const y = Math.floor(i / width) + 0.5;
    let crossings = 0;
    for (const ring of rings)
      for (let k = 0, j = ring.length - 2; k < ring.length; j = k, k += 2) {
        const [ax = 0, ay = 0, bx = 0, by = 0] = [ring[k], ring[k + 1], ring[j], ring[j + 1]];
        if (ay > y !== by > y && x < ax + ((y - ay) / (by - ay)) * (bx - ax)) crossings++;
      }
    return crossings % 2;
  });
}

describe('outlines and runs', () => {
  test('filling the polygons gives the label image back, and no ring meets itself', () => {
    fc.assert(
      fc.property(image, (labels) => {
        for (const { label, parts } of polygonsOf(labels)) {
          const rings = parts.flat();
          expect(filled(rings, labels.height, labels.width)).toEqual(
            [...labels.data].map((v) => (v === label ? 1 : 0)),
          );
          for (const part of parts) {
            expect(part.map((ring, i) => doubleArea(ring) > 0 === (i === 0))).not.toContain(false);
            for (const ring of part) {
              const corners = Array.from(
                { length: ring.length / 2 },
                (_, i) => `${ring[2 * i]},${ring[2 * i + 1]}`,
              );
              expect(new Set(corners).size).toBe(corners.length);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('run lengths give the object back', () => {
    fc.assert(
      fc.property(image, (labels) => {
        const { xyxy } = boxesOf(labels);
        for (let i = 0; i < labels.count; i++) {
          const runs = runLengths(labels, i + 1, xyxy.subarray(i * 4, i * 4 + 4));
          expect(runs.reduce((a, b) => a + b, 0)).toBe(labels.data.length);
          expect([...fromRunLengths(runs, labels.height, labels.width)]).toEqual(
            [...labels.data].map((v) => (v === i + 1 ? 1 : 0)),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  test('the packed form is the one COCO tools write', () => {
    expect(packRuns([6, 1, 40, 4, 5, 4, 5, 4, 21])).toBe('61X13mN000`0');
  });

  test('a bar of 4 x 1 pixels is measured', () => {
    const labels = relabel([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0], 2, 6).labels;
    const data = Float32Array.from({ length: 12 }, (_, i) => i);
    const picture = { height: 2, width: 6, channels: ['grey'], data, range: [0, 255] as const };
    const [bar] = measure(labels, picture, [0.5, 2]);
    expect(bar).toMatchObject({ label: 1, x: 3, y: 1.5, areaPx: 4, areaUm2: 4, box: [1, 1, 5, 2] });
    expect(bar).toMatchObject({ eccentricity: 1, mean: [8.5], max: [10] });
  });
});
