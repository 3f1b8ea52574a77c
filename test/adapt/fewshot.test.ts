import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { curveOf, type FewshotRun, nextImage } from '../../src/adapt/fewshot.js';
import { rankCorrelation } from '../../src/adapt/helpful.js';
import { Random } from '../../src/core/random.js';
import { fewshotJob, fewshotJobOptions } from '../../src/jobs/fewshot.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { tf } from '../../src/tf/index.js';
import { saveModelFile } from '../../src/weights/modelFile.js';

const run = (shots: number, seed: number, each: number[]): FewshotRun => ({
  shots,
  seed,
  ids: [],
  parts: ['detector'],
  isKept: seed === 0,
  why: '',
  f1: each.reduce((a, b) => a + b, 0) / each.length,
  each,
  seconds: 0,
});

test('the curve averages seeds image by image; one more image is a share of the last doubling', () => {
  const before = [0.2, 0.4];
  const runs = [run(1, 0, [0.3, 0.5]), run(1, 1, [0.5, 0.5]), run(2, 0, [0.5, 0.7]), run(2, 1, [0.7, 0.7])];
  const curve = curveOf(runs, before, new Random('curve'));
  expect(curve.map(({ shots, kept }) => [shots, kept])).toEqual([
    [1, 1],
    [2, 1],
  ]);
  expect(curve[1]?.f1.mean).toBeCloseTo(0.65, 12);
  expect(curve[1]?.gain.mean).toBeCloseTo(0.35, 12);
  expect(curve[0]?.spread[0]).toBeCloseTo(0.4, 12);
  expect(curve[0]?.spread[1]).toBeCloseTo(0.5, 12);
  expect(nextImage(runs, [0, 1, 2], new Random('next'))?.gain).toBeCloseTo(0.2 * Math.log2(1.5), 12);
  expect(nextImage(runs, [0, 2], new Random('next'))).toBeNull();
});

test('rank correlation is 1, -1 and 0 where it should be, also with ties', () => {
  expect(rankCorrelation([1, 2, 5, 9], [0.1, 0.2, 0.3, 4])).toBeCloseTo(1, 12);
  expect(rankCorrelation([1, 2, 5, 9], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
  expect(rankCorrelation([1, 1, 2, 2], [1, 2, 1, 2])).toBeCloseTo(0, 12);
});

test('the protocol runs to its report, with boxes only, on images that it never learns from', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fewshot-'));
  const size = preset('tiny');
  const config = { ...size, vit: { ...size.vit, imgSize: 32 } };
  const model = CellSam.create(config, new Random('fewshot'));
  const thresholds = { box: 0.3, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 };
  const file = join(folder, 'model.safetensors');
  await saveModelFile(file, model.toArrays(), { config, thresholds, training: 'none', licence: 'none' });
  model.dispose();
  const path = join(folder, 'data.yaml');
  writeFileSync(path, stringify({ data: { type: 'simulated', count: 8, fieldSize: 48 } }));
  const tensors = tf.memory().numTensors;
  const job = {
    config: path,
    model: file,
    shots: [2, 0, 1],
    seeds: 1,
    heldout: 3,
    out: folder,
    boxesOnly: true,
  };
  const options = { steps: 2, batchSize: 2, scales: [1], views: 4, budgetSeconds: 20 };
  const measure = (changed: object) =>
    fewshotJob(fewshotJobOptions.parse({ ...job, ...options, ...changed }), { emit: () => {} });
  const result = await measure({});
  expect(tf.memory().numTensors).toBe(tensors);
  const again = await measure({});
  expect(again.runs).toEqual(result.runs); // times too: nothing was adapted again
  const other = await measure({ steps: 1, shots: [1] });
  expect(other.runs.map(({ seconds }) => seconds)).not.toContain(result.runs[1]?.seconds);
  expect(result.curve.map(({ shots }) => shots)).toEqual([0, 1, 2]);
  expect(result.runs.map(({ parts }) => parts)).toEqual([[], ['detector'], ['detector']]);
  expect(result.runs.flatMap(({ ids }) => ids).filter((id) => result.heldout.includes(id))).toEqual([]);
  expect(result.helpful.images).toHaveLength(3);
  const page = readFileSync(result.report, 'utf8');
  expect(page).toContain('Learning curve');
  expect(page).not.toMatch(/(src|href)="https?:/);
});
