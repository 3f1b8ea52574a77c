import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import type { Case } from '../../src/evaluate/cases.js';
import { evaluateCases, type Origin } from '../../src/evaluate/writeReport.js';
import { relabel } from '../../src/image/labels.js';
import type { LabelImage, PixelImage } from '../../src/image/types.js';
import { browser } from '../support/browser.js';

const context = { emit: () => {} };
const SIDE = 48;

/** Squares of 10 px at these places, in the order of their ids. */
function squares(places: readonly (readonly [x: number, y: number])[]): LabelImage {
  const ids = new Uint32Array(SIDE * SIDE);
  for (const [i, [x, y]] of places.entries())
    for (let row = y; row < y + 10; row++) ids.fill(i + 1, row * SIDE + x, row * SIDE + x + 10);
  return relabel(ids, SIDE, SIDE).labels;
}

const truth = squares([
  [2, 2],
  [20, 2],
  [2, 25],
]);
const image: PixelImage = {
  height: SIDE,
  width: SIDE,
  channels: ['grey'],
  data: Float32Array.from(truth.data, (v) => 40 + 50 * v),
  range: [0, 255],
};

/** One image all right; one with a missed and a false cell; one with nothing. */
function cases(inputs = 'a'): Case[] {
  const predicted = squares([
    [3, 2],
    [20, 3],
    [34, 34],
  ]);
  const one = (id: string, real: LabelImage, found: LabelImage): Case => ({
    dataset: 'squares & <co>',
    id,
    group: id === 'right' ? 'easy' : 'hard, "quoted"',
    inputs: `${inputs}/${id}`,
    load: async () => ({
      truth: real,
      predicted: found,
      image,
      scores: Float32Array.from({ length: found.count }, (_, i) => 0.9 - 0.2 * i),
    }),
  });
  return [one('right', truth, truth), one('wrong', truth, predicted), one('empty', squares([]), squares([]))];
}

const origin: Origin = {
  title: 'Test <report>',
  madeFrom: [['Model', 'none']],
  attachments: [['Settings', '{"a": 1}']],
  warnings: [],
};

const folder = () => mkdtempSync(join(tmpdir(), 'report-'));

describe('a report', () => {
  test('holds the figures, quotes CSV, is kept while nothing changes and made anew when an input does', async () => {
    const out = folder();
    const first = await evaluateCases(cases(), origin, out, false, context);
    expect(first.datasets[0]?.metrics['f1_50']?.mean).toBeCloseTo((1 + 2 / 3 + 1) / 3, 12);
    expect(first.datasets[0]?.pooled[0]).toMatchObject({ tp: 5, fp: 1, fn: 1 });
    expect(readFileSync(join(out, 'per_image.csv'), 'utf8').split('\r\n')[2]).toMatch(
      /^squares & <co>,wrong,"hard, ""quoted""",3,3,2,1,1,0\.6666/,
    );
    expect((await evaluateCases(cases(), origin, out, false, context)).reused).toBe(true);
    const again = await evaluateCases(cases('b'), origin, out, false, context);
    expect([again.reused, again.inputs === first.inputs]).toEqual([false, false]);
    const settings = { ...origin, attachments: [['Settings', '{"a": 2}'] as const] };
    expect((await evaluateCases(cases('b'), settings, out, false, context)).reused).toBe(false);
  });

  const { launch, reason } = browser();
  const inBrowser = launch === undefined ? test.skip : test;
  inBrowser(
    `opens in a browser, light, dark and narrow, without a request and without a sideways scroll${reason}`,
    async () => {
      const out = folder();
      const { report } = await evaluateCases(cases(), origin, out, false, context);
      const chrome = await (launch as NonNullable<typeof launch>)();
      try {
        const faults: string[] = [];
        const backgrounds: string[] = [];
        const page = await chrome.newPage({ viewport: { width: 720, height: 900 } });
        page.on('pageerror', (error) => faults.push(String(error)));
        page.on('console', (message) => faults.push(message.text()));
        page.on('request', (request) => {
          if (!/^(file|data):/.test(request.url())) faults.push(request.url());
        });
        await page.goto(pathToFileURL(resolve(report)).href);
        for (const colorScheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme });
          const seen = await page.evaluate(`({
            overflow: document.documentElement.scrollWidth - window.innerWidth,
            background: getComputedStyle(document.body).backgroundColor,
            pictures: document.querySelectorAll('figure.picture svg image').length,
            plots: [...document.querySelectorAll('.plots svg')].filter((s) => s.getBoundingClientRect().width > 200).length,
            missed: document.querySelectorAll('path.missed[d^="M"][fill="url(#hatch)"]').length,
            wrong: document.querySelectorAll('path.false[d^="M"][stroke-dasharray]').length,
            title: document.querySelector('h1').textContent,
          })`);
          backgrounds.push((seen as { background: string }).background);
          expect(seen).toMatchObject({ pictures: 2, plots: 3, missed: 1, wrong: 1, title: 'Test <report>' });
          expect((seen as { overflow: number }).overflow).toBeLessThanOrEqual(0);
        }
        expect(faults).toEqual([]);
        expect(new Set(backgrounds).size).toBe(2);
      } finally {
        await chrome.close();
      }
    },
    60_000,
  );
});

test('a report that another program wrote is replaced, not trusted', async () => {
  const out = folder();
  writeFileSync(join(out, 'summary.json'), '{"per_image": 3}');
  expect((await evaluateCases(cases(), origin, out, false, context)).reused).toBe(false);
});
