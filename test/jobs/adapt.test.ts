import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { verb } from '../../src/cli/verbs/adapt.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { adaptJob, adaptJobOptions } from '../../src/jobs/adapt.js';
import { simulateFields, simulateJobOptions } from '../../src/jobs/simulate.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { thresholdSets } from '../../src/segment/thresholds.js';
import { changedFrom } from '../../src/weights/base.js';
import { loadModelFile, saveModelFile } from '../../src/weights/modelFile.js';

const root = mkdtempSync(join(tmpdir(), 'adapt-job-'));
const images = join(root, 'images');
const untrained = join(root, 'untrained.safetensors');
const context = { emit: silent };
const fast = { model: untrained, steps: 1, views: 2, folds: 2, scales: [1], parts: ['detector'] };
const job = (folder: string, more: object = {}) => adaptJobOptions.parse({ folder, ...fast, ...more });

beforeAll(async () => {
  const tiny = preset('tiny');
  const model = CellSam.create({ ...tiny, vit: { ...tiny.vit, imgSize: 64 } }, new Random(1));
  const { config } = model;
  const card = { config, thresholds: thresholdSets.paper, training: 'none', licence: 'Apache-2.0' };
  await saveModelFile(untrained, model.toArrays(), card);
  model.dispose();
  await simulateFields(simulateJobOptions.parse({ out: images, count: 2, side: 64 }), context);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('where adaptation does not help, the file written is the model as it came, and small', async () => {
  const out = join(root, 'kept');
  const result = await adaptJob(job(images, { out }), context);
  expect([result.isKept, result.model]).toEqual([false, join(out, 'model.safetensors')]);
  expect(statSync(result.model).size).toBeLessThan(10_000);
  const [before, after] = await Promise.all([untrained, result.model].map((path) => loadModelFile(path)));
  if (before === undefined || after === undefined) throw new Error('not loaded');
  expect(changedFrom(before.model.toArrays(), after.model.toArrays()).size).toBe(0);
  expect(after.card).toEqual(before.card);
  before.model.dispose();
  after.model.dispose();
  expect(JSON.parse(readFileSync(join(out, 'adapt.json'), 'utf8')).isKept).toBe(false);
  expect(existsSync(join(out, 'report.html'))).toBe(true);
  expect([result.roundSteps, result.stepsWanted, result.longerBudget]).toEqual([[1, 1], 1, undefined]);
  const told = verb.render(result);
  expect(told).toContain('Learnt: 1 of 1 steps a round, 2 rounds.');
  expect(told).not.toContain('Next:');
  await expect(adaptJob(job(images, { out }), context)).rejects.toThrow(/holds an adaptation already/);
});

test('where the time ends learning, the steps that were reached and a longer budget are told', async () => {
  const out = join(root, 'short');
  const result = await adaptJob(job(images, { out, steps: 500, budgetSeconds: 1 }), context);
  expect(result.isKept).toBe(false);
  expect(Math.max(...result.roundSteps)).toBeLessThan(500);
  const kept = JSON.parse(readFileSync(join(out, 'adapt.json'), 'utf8'));
  expect([kept.roundSteps, kept.stepsWanted]).toEqual([result.roundSteps, 500]);
  const told = verb.render(result);
  expect(told).toMatch(
    /left as it is: the time ended learning after .* of 500 steps a round: .*--budget 1m; /,
  );
  expect(told).not.toMatch(/labels belong|cellsam segment/);
  expect(told).toContain('Next: the same command with --budget 1m --overwrite');
});

test('an output folder that cannot be written is told before anything is read', async () => {
  const seen: JobEvent[] = [];
  const out = join(untrained, 'out');
  const work = adaptJob(job(join(root, 'nowhere'), { out }), { emit: (event) => seen.push(event) });
  await expect(work).rejects.toMatchObject({ exitCode: 7, where: untrained });
  expect(seen).toEqual([]);
});

test('a folder without masks is a clear error, and nothing is written', async () => {
  const empty = join(root, 'empty');
  mkdirSync(empty);
  const out = join(root, 'nothing');
  await expect(adaptJob(job(empty, { out }), context)).rejects.toThrow(/holds no annotated images/);
  expect(existsSync(out)).toBe(false);
});
