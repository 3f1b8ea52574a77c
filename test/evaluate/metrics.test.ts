import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { matchAll, matchAtLeast } from '../../src/evaluate/metrics/match.js';
import { type ImageScores, meanF1, poolScores, scoreImage } from '../../src/evaluate/metrics/metrics.js';
import { relabel } from '../../src/image/labels.js';
import { type OverlapTable, overlapIou, overlapTable } from '../../src/image/overlap.js';
import type { LabelImage } from '../../src/image/types.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { describeWithShared } from '../support/shared.js';

interface Golden {
  readonly cases: Readonly<Record<string, ImageScores>>;
  readonly all: { readonly mean_f1: readonly number[]; readonly pooled: readonly object[] };
}

describeWithShared('the reference scores', 'golden/metrics.json', (path) => {
  test('hold for every case, counts to 1e-12 and ratios to 1e-9', async () => {
    const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden;
    const { tensors } = await readSafetensors(path.replace(/json$/, 'safetensors'));
    const image = (name: string): LabelImage => {
      const array = tensors.get(name);
      const [height = 0, width = 0] = array?.shape ?? [];
      return relabel(array?.data as Int32Array, height, width).labels;
    };
    const names = Object.keys(golden.cases);
    const scores = names.map((name) => scoreImage(image(`${name}.truth`), image(`${name}.pred`)));
    for (const [i, name] of names.entries()) expectClose(scores[i], golden.cases[name], name);
    expectClose(meanF1(scores), golden.all.mean_f1, 'mean_f1');
    expectClose(poolScores(scores), golden.all.pooled, 'pooled');
    expect(names.length).toBeGreaterThan(20);
  });
});

test('below 0.5 as many pairs as possible match, then the largest sum of IoU: equal to brute force', () => {
  const random = new Random('brute force');
  for (let round = 0; round < 60; round++) {
    const table = overlapTable(noise(random), noise(random));
    const iou = overlapIou(table);
    for (const threshold of [0.05, 0.1, 0.3, 0.5]) {
      const pairs = matchAtLeast(table, threshold);
      const sum = pairs.reduce((s, k) => s + (iou[k] as number), 0);
      expect(oneToOne(table, pairs)).toBe(true);
      expect(100 * pairs.length + sum).toBeCloseTo(
        best(table, (k) => ((iou[k] as number) >= threshold ? 100 + (iou[k] as number) : 0)),
        9,
      );
    }
    const weight = (k: number) => ((iou[k] as number) >= 0.5 ? 100 : 0) + (iou[k] as number);
    const all = matchAll(table);
    expect(oneToOne(table, all)).toBe(true);
    expect(all.reduce((s, k) => s + weight(k), 0)).toBeCloseTo(best(table, weight), 9);
  }
});

test('images of different size are refused', () => {
  const image = (width: number): LabelImage => ({ height: 1, width, data: new Uint32Array(width), count: 0 });
  expect(() => scoreImage(image(3), image(4))).toThrow(/different size: 1 x 3 and 1 x 4/);
});

/** Six objects scattered over few pixels: dense overlaps, many ties. */
function noise(random: Random): LabelImage {
  const ids = Array.from({ length: 40 }, () => random.integer(7));
  return relabel(ids, 5, 8).labels;
}

function oneToOne(table: OverlapTable, pairs: readonly number[]): boolean {
  const distinct = (side: Uint32Array) => new Set(pairs.map((k) => side[k])).size === pairs.length;
  return distinct(table.first) && distinct(table.second);
}

/** The largest total weight of one-to-one pairs, by trying every choice for every object. */
function best(table: OverlapTable, weight: (k: number) => number): number {
  const from = (object: number, used: number): number => {
    if (object > table.firstAreas.length) return 0;
    let most = from(object + 1, used);
    for (let k = 0; k < table.length; k++) {
      const bit = 1 << (table.second[k] as number);
      if (table.first[k] !== object || (used & bit) !== 0) continue;
      most = Math.max(most, weight(k) + from(object + 1, used | bit));
    }
    return most;
  };
  return from(1, 0);
}

/** Every number that `expected` holds is there; integers to 1e-12, others to 1e-9. */
function expectClose(actual: unknown, expected: unknown, where: string): void {
  if (typeof expected === 'number') {
    const tolerance = Number.isInteger(expected) ? 1e-12 : 1e-9;
    const isClose = Math.abs((actual as number) - expected) <= tolerance;
    expect([where, isClose ? expected : actual]).toEqual([where, expected]);
  } else if (expected === null) expect([where, actual]).toEqual([where, null]);
  else {
    for (const [key, value] of Object.entries(expected as object)) {
      expectClose((actual as Record<string, unknown>)[key], value, `${where}.${key}`);
    }
  }
}
