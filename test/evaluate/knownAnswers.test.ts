import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { type Case, type Loaded, scoreCase } from '../../src/evaluate/cases.js';
import { reliability } from '../../src/evaluate/reliability.js';
import { strata } from '../../src/evaluate/strata.js';
import { evaluateCases } from '../../src/evaluate/writeReport.js';
import { relabel } from '../../src/image/labels.js';
import type { LabelImage } from '../../src/image/types.js';

const SIDE = 100;

/** Squares `[x, y, side]` in an image of 100 x 100. */
function squares(...places: readonly (readonly [x: number, y: number, side: number])[]): LabelImage {
  const ids = new Uint32Array(SIDE * SIDE);
  for (const [i, [x, y, side]] of places.entries())
    for (let row = y; row < y + side; row++) ids.fill(i + 1, row * SIDE + x, row * SIDE + x + side);
  return relabel(ids, SIDE, SIDE).labels;
}

const item = (id: string, truth: LabelImage, predicted: LabelImage, scores?: number[], group?: string) => {
  const loaded: Loaded = {
    truth,
    predicted,
    ...(scores === undefined ? {} : { scores: Float32Array.from(scores) }),
  };
  const own: Case = {
    dataset: 'd',
    id,
    inputs: id,
    ...(group === undefined ? {} : { group }),
    load: async () => loaded,
  };
  return { own, scored: scoreCase(own, loaded) };
};

// Four small ones, of which two are a pair 1 px apart; one large.
const small = [
  [5, 5, 6],
  [12, 5, 6],
  [40, 5, 6],
  [70, 5, 7],
] as const;
const large = [20, 40, 40] as const;

describe('strata', () => {
  // Found: one of the pair, one that is alone, the large one, and a false one of middle size.
  const first = item(
    'first',
    squares(...small, large),
    squares(small[0], small[2], large, [80, 80, 12]),
    undefined,
    'cells',
  ).scored;
  const second = item('second', squares([30, 30, 20]), squares([30, 30, 20]), undefined, 'others').scored;
  const all = strata([first, second], new Random(1));
  const named = (kind: string, name: string | RegExp) =>
    all.find((s) => s.kind === kind && (typeof name === 'string' ? s.name === name : name.test(s.name)));

  test('by kind of image', () => {
    expect(named('modality', 'cells')).toMatchObject({
      images: 1,
      objects: 5,
      recall: 3 / 5,
      precision: 3 / 4,
    });
    expect(named('modality', 'cells')?.f1?.mean).toBeCloseTo(6 / 9, 12);
    expect(named('modality', 'others')).toMatchObject({ objects: 1, recall: 1, precision: 1 });
  });

  test('by size: areas 36 three times, 49, 400, 1600, divided at their thirds', () => {
    expect(
      all.filter((s) => s.kind === 'object size').map((s) => [s.name, s.objects, s.recall, s.precision]),
    ).toEqual([
      ['up to 36 px', 3, 2 / 3, 1],
      ['36 to 49 px', 1, 0, null],
      ['above 49 px', 2, 1, 2 / 3],
    ]);
  });

  test('by crowding and density', () => {
    expect(named('crowding', /another/)).toMatchObject({ objects: 2, recall: 1 / 2, precision: null });
    expect(named('crowding', 'alone')).toMatchObject({ objects: 4, recall: 3 / 4 });
    expect(named('objects per megapixel', 'up to 100')).toMatchObject({ images: 1, objects: 1 });
  });
});

test('scores against the share that is true, and their mean distance', () => {
  const truth = squares(...small, large);
  // 0.85, 0.89: both true; 0.45: true; 0.41: false; 1: true.
  const predicted = squares(small[0], small[2], small[3], [80, 80, 12], large);
  const { scored } = item('a', truth, predicted, [0.85, 0.89, 0.45, 0.41, 1]);
  const found = reliability([scored]);
  expect(found?.bins.map(({ low, objects, shareTrue }) => [low, objects, shareTrue])).toEqual([
    [0.4, 2, 0.5],
    [0.8, 2, 1],
    [0.9, 1, 1],
  ]);
  expect(found?.bins[0]?.meanScore).toBeCloseTo(0.43, 6);
  expect(found?.error).toBeCloseTo((2 * 0.07 + 2 * 0.13 + 0) / 5, 6);
  expect(reliability([item('b', truth, predicted).scored])).toBeUndefined();
});

test('the best, median and worst of the images with cells are shown, each with its figures', async () => {
  const truth = squares(...small, large);
  const items = [
    item('worst', truth, squares([80, 80, 12])),
    item('nothing', squares(), squares()),
    item('best', truth, truth),
    item('middle', truth, squares(small[0], small[2], large)),
    item('low', truth, squares(large)),
    item('high', truth, squares(small[0], small[1], small[2], large)),
  ];
  const out = mkdtempSync(join(tmpdir(), 'known-'));
  const origin = { title: 't', madeFrom: [], attachments: [], warnings: [] };
  const { report } = await evaluateCases(
    items.map(({ own }) => own),
    origin,
    out,
    false,
    { emit: () => {} },
  );
  const page = readFileSync(report, 'utf8');
  const captions = [...page.matchAll(/<h3>(Best|Median|Worst)[^<]*<\/h3>.*?<figcaption>([^<]*)</gs)];
  expect(captions.map(([, what, text]) => `${what}: ${text}`)).toEqual([
    'Best: best: F1 1.000; 5 true and 5 found cells, 0 missed, 0 false',
    'Median: middle: F1 0.750; 5 true and 3 found cells, 2 missed, 0 false',
    'Worst: worst: F1 0.000; 5 true and 1 found cells, 5 missed, 1 false',
  ]);
});
