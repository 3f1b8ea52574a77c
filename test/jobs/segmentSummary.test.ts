import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { encode } from 'fast-png';
import { verb } from '../../src/cli/verbs/segment.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { segmentFiles, segmentJob } from '../../src/jobs/segment.js';
import { asFacts, hintOf } from '../../src/jobs/segmentFacts.js';
import { SUMMARY } from '../../src/jobs/segmentSummary.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { shippedModel } from '../../src/weights/shippedModel.js';
import { diskField } from '../support/diskField.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const sides: Readonly<Record<string, number>> = { 'a.png': 100, 'b.png': 150, 'empty.png': 40 };
const paths = Object.keys(sides).map((name) => join(folder, name));
const job = (inputs: readonly string[], out: string, more: object = {}) =>
  segmentJob.parse({ model: shippedModel, inputs, out: join(folder, out), segment: { zoom: 1 }, ...more });
const tableOf = async (out: string): Promise<string[]> =>
  (await readFile(join(folder, out, SUMMARY), 'utf8')).trimEnd().split('\n');

beforeAll(async () => {
  for (const [name, side] of Object.entries(sides)) {
    const data = Uint8Array.from(diskField(side, side).data);
    await writeFile(join(folder, name), encode({ width: side, height: side, channels: 1, data }));
  }
});

describe('the table of a folder', () => {
  test('has a line for each image, of earlier runs too, with what was decided; one image alone has none', async () => {
    const [first = '', ...others] = paths;
    expect((await segmentFiles(job([first], 'table'), { emit: silent })).summaries).toEqual([]);
    const { images, summaries } = await segmentFiles(job(others, 'table'), { emit: silent });
    expect(summaries).toEqual([join(folder, 'table', SUMMARY)]);
    const [head, ...rows] = await tableOf('table');
    expect(head).toBe('image,cells,median area px,mean score,box threshold,zoom');
    expect(rows.map((row) => row.split(',').slice(0, 2))).toEqual([['a.png', '4'], ['b.png', '9'], ['empty.png', '0']]); // biome-ignore format: a table
    const [b] = images;
    expect(rows[1]).toBe(`b.png,9,${b?.medianAreaPx},${b?.meanScore},0.4,1`);
    expect(b?.medianAreaPx).toBeGreaterThan(Math.PI * 6 ** 2);
    expect(b?.medianAreaPx).toBeLessThan(Math.PI * 12 ** 2);
    expect(rows[2]).toBe('empty.png,0,,,0.4,1');
  });

  test('leaves out images whose results were removed', async () => {
    await segmentFiles(job(paths, 'removed'), { emit: silent });
    await rm(join(folder, 'removed', 'b_masks.tif'));
    await segmentFiles(job(paths.slice(0, 1), 'removed', { overwrite: true }), { emit: silent });
    expect((await tableOf('removed')).slice(1).map((row) => row.split(',')[0])).toEqual([
      'a.png',
      'empty.png',
    ]);
  });

  test('does not replace a file of its name that is something else', async () => {
    const events: JobEvent[] = [];
    await segmentFiles(job(paths, 'foreign'), { emit: silent });
    await writeFile(join(folder, 'foreign', SUMMARY), 'mine\n');
    const again = job(paths, 'foreign', { overwrite: true });
    const { summaries } = await segmentFiles(again, { emit: (event) => events.push(event) });
    expect([summaries, await tableOf('foreign')]).toEqual([[], ['mine']]);
    expect(events).toContainEqual(
      expect.objectContaining({ kind: 'warning', where: join(folder, 'foreign', SUMMARY) }),
    );
  });
});

describe('what is said of each image', () => {
  const facts = { medianAreaPx: 200, meanScore: 0.9, boxThreshold: 0.4123, zoom: 1.6 };
  const summary = { skipped: [], uncompared: [], summaries: [], seconds: 2 };

  test('of one image its cells, what was decided and its files; nouns follow their numbers', () => {
    const images = [{ ...facts, cells: 1, path: 'in/a.png', files: ['r/a_masks.tif'] }];
    expect(verb.render({ ...summary, images }).split('\n')).toEqual([
      'in/a.png: 1 cell, zoom 1.6, box threshold 0.412 -> r/a_masks.tif',
      '1 image, 1 cell, 2.0 s',
    ]);
  });

  test('of several a short line each, then where the files and the summary are', () => {
    const image = { ...facts, zoom: null, boxThreshold: null, cells: 5 };
    const images = ['a', 'b'].map((name) => ({
      ...image,
      path: `${name}.png`,
      files: [`r/${name}_masks.tif`],
    }));
    expect(verb.render({ ...summary, images, summaries: ['r/summary.csv'] }).split('\n')).toEqual([
      'a.png: 5 cells',
      'b.png: 5 cells',
      '2 files in r',
      'summary: r/summary.csv',
      '2 images, 10 cells, 2.0 s',
    ]);
  });

  test('the model tells its zoom and threshold, whole and in tiles; none where boxes are given', async () => {
    const image = diskField(150, 150);
    for (const options of [{}, { tile: 96 }]) {
      const model = await loadCellSam(undefined, { zoom: 1, boxThreshold: 0.37, ...options });
      const { zoom, boxThreshold } = await model.segment(image);
      expect([zoom, boxThreshold]).toEqual([1, 0.37]);
      expect((await model.segment(image, { boxes: [[5, 5, 40, 40]] })).boxThreshold).toBeUndefined();
      model.dispose();
    }
    const padded = await loadCellSam(undefined, { fit: 'pad' });
    expect((await padded.segment(diskField(100, 100))).zoom).toBeUndefined();
    padded.dispose();
  });

  test('tiles name the image that they belong to', async () => {
    const details: (string | undefined)[] = [];
    const emit = (event: JobEvent) => {
      if (event.kind === 'progress' && event.unit === 'tiles') details.push(event.detail);
    };
    await segmentFiles(job(paths.slice(1, 2), 'tiles', { segment: { zoom: 1, tile: 96 } }), { emit });
    expect(new Set(details)).toEqual(new Set(['b.png']));
  });

  test('few cells get a hint, many and given boxes do not', async () => {
    const notes: string[] = [];
    const emit = (event: JobEvent) => {
      if (event.kind === 'note') notes.push(event.message);
    };
    await segmentFiles(job(paths.slice(2), 'hint'), { emit });
    expect(notes).toEqual([
      expect.stringMatching(/^No cells were found\. .*--zoom.*--box-threshold below 0\.4.*adapt/),
    ]);
    const image = { ...facts, cells: 2, path: 'a.png' };
    expect(hintOf([image, { ...image, cells: 90 }], false)).toMatch(
      /^1 of 2 images has fewer than 3 cells\. (?!.*--zoom)/,
    );
    expect(hintOf([{ ...image, cells: 3 }], true)).toBeUndefined();
    expect(hintOf([{ ...image, boxThreshold: null }], true)).toBeUndefined();
  });

  test('the median area is of numbers that have pixels, and null without cells', () => {
    const scores = Float32Array.of(0.5, 0.75, 1, 0.75);
    const found = asFacts({ areas: [9, 0, 2, 4], scores, boxThreshold: undefined, zoom: 1 / 3 });
    expect(found).toEqual({ cells: 4, medianAreaPx: 4, meanScore: 0.75, boxThreshold: null, zoom: 0.3333 });
    const none = asFacts({ areas: [], scores: new Float32Array(0), boxThreshold: 0.4, zoom: undefined });
    expect(none).toEqual({ cells: 0, medianAreaPx: null, meanScore: null, boxThreshold: 0.4, zoom: null });
  });
});
