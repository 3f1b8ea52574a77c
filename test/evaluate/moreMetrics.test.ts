import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { meanWithInterval, signFlipTest } from '../../src/evaluate/bootstrap.js';
import { boundaryF1 } from '../../src/evaluate/metrics/boundary.js';
import { type BoxImage, boxAveragePrecision } from '../../src/evaluate/metrics/boxAp.js';
import { boxesFrom } from '../../src/image/boxes.js';
import type { LabelImage } from '../../src/image/types.js';

type Row = [number, number, number, number];

test('COCO box AP equals pycocotools on the fixture, also with a limit that cuts', () => {
  const { images, expected } = JSON.parse(readFileSync('test/fixtures/evaluate/box_ap.json', 'utf8')) as {
    images: { truth: Row[]; found: Row[]; scores: number[] }[];
    expected: { maxDetections: number; ap: number; ap50: number; ap75: number }[];
  };
  const boxes = images.map(
    ({ truth, found, scores }): BoxImage => ({ truth: boxesFrom(truth), found: boxesFrom(found), scores }),
  );
  for (const { maxDetections, ...values } of expected) {
    const ap = boxAveragePrecision(boxes, maxDetections);
    for (const key of ['ap', 'ap50', 'ap75'] as const) expect(ap?.[key]).toBeCloseTo(values[key], 12);
  }
  expect(boxAveragePrecision([])).toBeNull();
});

describe('boundary F1', () => {
  const square = (left: number, side = 10, count = 1): LabelImage => {
    const data = new Uint32Array(30 * 30);
    for (let y = 8; y < 8 + side; y++) data.fill(count, y * 30 + left, y * 30 + left + side);
    return { height: 30, width: 30, data, count };
  };
  const empty: LabelImage = { height: 30, width: 30, data: new Uint32Array(900), count: 0 };

  test('is 1 for outlines up to 2 px apart, and by hand for 3 px', () => {
    expect(boundaryF1(square(5), square(5))).toBe(1);
    expect(boundaryF1(square(5), square(7))).toBe(1);

    expect(boundaryF1(square(5), square(8))).toBeCloseTo(byHand(square(5), square(8)), 12);
    expect(boundaryF1(square(5), square(8))).toBeLessThan(1);
  });

  test('of empty images', () => {
    expect([boundaryF1(empty, empty), boundaryF1(empty, square(5)), boundaryF1(square(5), empty)]).toEqual([
      1, 0, 0,
    ]);
  });

  /** Every outline pixel against every other. */
  function byHand(a: LabelImage, b: LabelImage): number {
    const outline = ({ data, width }: LabelImage) =>
      [...data.keys()].filter(
        (i) => data[i] !== 0 && [i - 1, i + 1, i - width, i + width].some((k) => data[k] !== data[i]),
      );
    const share = (from: number[], to: number[]) =>
      from.filter((i) =>
        to.some((k) => Math.hypot((i % 30) - (k % 30), Math.floor(i / 30) - Math.floor(k / 30)) <= 2),
      ).length / from.length;
    const [p, r] = [share(outline(b), outline(a)), share(outline(a), outline(b))];
    return (2 * p * r) / (p + r);
  }
});

test('sign flips: p of equal differences is 2 / 2^n, of none 1; intervals hold the mean', () => {
  const random = new Random('test');
  expect(signFlipTest([1, 1, 1, 1, 1], random)).toBeCloseTo(2 / 32, 12);
  expect(signFlipTest([0, 0, 0], random)).toBe(1);
  expect(
    signFlipTest(
      Array.from({ length: 40 }, (_, i) => 0.5 + 0.01 * i),
      random,
    ),
  ).toBeLessThan(0.001);
  const { mean, low, high } = meanWithInterval([0, 1, 0, 1, 1, 0, 1, 0], random);
  expect(mean).toBe(0.5);
  expect(low).toBeGreaterThan(0.1);
  expect(high).toBeLessThan(0.9);
  expect(high - low).toBeGreaterThan(0.4);
});
