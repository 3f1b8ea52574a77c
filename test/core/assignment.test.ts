import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { assign } from '../../src/core/assignment.js';

/** Least total over all ways, by trying them. */
function bruteForce(cost: readonly number[], rows: number, columns: number): number {
  if (rows > columns) {
    const turned = Array.from(
      { length: rows * columns },
      (_, i) => cost[(i % rows) * columns + Math.floor(i / rows)] as number,
    );
    return bruteForce(turned, columns, rows);
  }
  const best = (row: number, used: number): number => {
    if (row === rows) return 0;
    let least = Number.POSITIVE_INFINITY;
    for (let j = 0; j < columns; j++) {
      if ((used & (1 << j)) === 0)
        least = Math.min(least, (cost[row * columns + j] as number) + best(row + 1, used | (1 << j)));
    }
    return least;
  };
  return best(0, 0);
}

describe('assignment', () => {
  test('finds the least total of every small matrix, ties included', () => {
    const matrix = fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
      .chain(([r, c]) =>
        fc.tuple(
          fc.constant(r),
          fc.constant(c),
          fc.array(fc.integer({ min: -3, max: 6 }), { minLength: r * c, maxLength: r * c }),
        ),
      );
    fc.assert(
      fc.property(matrix, ([rows, columns, cost]) => {
        const { row, column } = assign(Float64Array.from(cost), rows, columns);
        expect(row.length).toBe(Math.min(rows, columns));
        expect(new Set(column).size).toBe(column.length);
        expect([...row]).toEqual([...row].sort((a, b) => a - b));
        const total = row.reduce(
          (sum, r, i) => sum + (cost[r * columns + (column[i] as number)] as number),
          0,
        );
        expect(total).toBe(bruteForce(cost, rows, columns));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test('a thousand rows with ties end', () => {
    const cost = Float64Array.from({ length: 1000 * 3500 }, (_, i) => (i * 7919) % 10);
    expect(new Set(assign(cost, 1000, 3500).column).size).toBe(1000);
  });

  test('no rows give no pairs, and NaN is avoided', () => {
    expect(assign(new Float64Array(0), 0, 4).row).toHaveLength(0);
    expect([...assign(Float64Array.of(Number.NaN, 1, 1, Number.NaN), 2, 2).column]).toEqual([1, 0]);
  });
});
