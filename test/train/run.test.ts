import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { JobEvent } from '../../src/core/events.js';
import { dataOptions } from '../../src/data/options.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { RecordFile } from '../../src/io/tfrecord.js';
import { trainJob, trainJobOptions } from '../../src/jobs/train.js';
import { tf } from '../../src/tf/index.js';
import { trainedImagesOf } from '../../src/weights/modelFile.js';
import { shortHash } from '../../src/weights/trainedImages.js';
import { MINUTE } from '../support/tinyModel.js';

const folder = () => join(mkdtempSync(join(tmpdir(), 'run-')), 'run');
const silent = { emit: () => {} };

const job = (run: string, maxSteps: number, settings: object = {}) =>
  trainJobOptions.parse({
    data: { type: 'simulated', count: 6, fieldSize: 64 },
    model: { preset: 'tiny', imgSize: 64, ...MINUTE },
    train: {
      maxSteps,
      batchSize: 1,
      learningRate: 1e-3,
      evaluateEvery: 4,
      checkpointEvery: 2,
      promptsPerImage: 2,
      previews: 1,
      ...settings,
    },
    run: { folder: run },
  });

const read = (run: string, file: string) => readFileSync(join(run, file));
const checkpoints = (run: string) =>
  readdirSync(join(run, 'checkpoints')).filter((n) => n.startsWith('step-'));
const newest = (run: string, file: string) =>
  read(run, join('checkpoints', checkpoints(run).at(-1) ?? '', file));
const metrics = (run: string) =>
  read(run, 'metrics.jsonl')
    .toString()
    .trim()
    .split('\n')
    .map((line) => ({ ...(JSON.parse(line) as { step: number; seconds?: number }), seconds: 0 }));

describe('a training run', () => {
  test('that was stopped and resumed ends like one that was not: weights, model and log, bit for bit', async () => {
    const [whole, stopped] = [folder(), folder()];
    const before = tf.memory().numTensors;
    await trainJob(job(whole, 6), '.', false, silent);
    expect(tf.memory().numTensors).toBe(before);
    const abort = new AbortController();
    const emit = (event: JobEvent) => {
      if (event.kind === 'progress' && event.unit === 'steps' && event.done === 4) abort.abort();
    };
    // Step 4 is due for a look, which the abort interrupts: it must be made up for.
    await expect(trainJob(job(stopped, 6), '.', false, { emit, signal: abort.signal })).rejects.toThrow(
      /stopped after step 4/,
    );
    // What a killed process leaves: lines after the checkpoint, the last one cut off.
    writeFileSync(
      join(stopped, 'metrics.jsonl'),
      `${read(stopped, 'metrics.jsonl')}{"step":5,"loss":1}\n{"st`,
    );
    await trainJob(job(stopped, 6), '.', true, silent);
    for (const file of ['weights.safetensors', 'optimiser.safetensors', 'average.safetensors', 'state.json'])
      expect([file, newest(stopped, file).equals(newest(whole, file))]).toEqual([file, true]);
    expect(read(stopped, 'model.safetensors').equals(read(whole, 'model.safetensors'))).toBe(true);
    // Of five training images whichever came, and the one of the validation part: the file tells them by their pixels.
    const { hashes, count, isComplete } = await trainedImagesOf(join(stopped, 'model.safetensors'));
    const fields = [0, 1, 2, 3, 4, 5].map(
      (i) => ({ modality: 'fluorescence', side: 64, seed: `0/${i}` }) as const,
    );
    const known = fields.map((field) => shortHash(simulate(field).source.contentHash));
    expect(hashes.filter((hash) => !known.includes(hash))).toEqual([]);
    expect([hashes.length, isComplete]).toEqual([count, true]);
    expect(count).toBeGreaterThan(2);
    expect(metrics(stopped)).toEqual(metrics(whole));
    expect(metrics(whole).map((line) => line.step)).toEqual([1, 2, 3, 4, 4, 5, 6, 6]);
    await expect(trainJob(job(whole, 6), '.', false, silent)).rejects.toThrow(/exists already/);
  });

  test('that fails before it begins leaves no folder behind', async () => {
    const run = folder();
    const nowhere = {
      ...job(run, 2),
      data: dataOptions.parse({ type: 'dsb2018', root: join(run, 'missing') }),
    };
    await expect(trainJob(nowhere, '.', false, silent)).rejects.toThrow(/missing/);
    expect(existsSync(run)).toBe(false);
  });

  test('whose folder cannot be made says so, and how another is chosen', async () => {
    const file = folder();
    writeFileSync(file, '');
    await expect(trainJob(job(join(file, 'run'), 2), '.', false, silent)).rejects.toMatchObject({
      exitCode: 7,
      fix: expect.stringContaining('run.folder='),
    });
  });

  test('whose newest checkpoint is damaged goes on from the one before, with a warning', async () => {
    const run = folder();
    await trainJob(job(run, 4), '.', false, silent);
    writeFileSync(
      join(run, 'checkpoints', checkpoints(run).at(-1) ?? '', 'optimiser.safetensors'),
      'damaged',
    );
    const warnings: string[] = [];
    await trainJob(job(run, 5), '.', true, { emit: (e) => e.kind === 'warning' && warnings.push(e.message) });
    expect(warnings.filter((w) => w.includes('damaged'))).toHaveLength(1);
  });

  test('stops early after looks without gain, and says so', async () => {
    const run = folder();
    // A rate near nothing: no look can be better than the first.
    const settings = { learningRate: 1e-12, evaluateEvery: 1, patience: 2, maxSteps: 9 };
    const { steps } = await trainJob(job(run, 9, settings), '.', false, silent);
    expect(steps).toBe(3);
    expect(JSON.parse(read(run, 'status.json').toString())).toMatchObject({
      state: 'done',
      step: 3,
      best: { step: 1 },
      stopped: expect.stringMatching(/2 looks/),
    });
    expect(checkpoints(run)).toContain('step-00000001');
  });

  test('whose loss is not finite stops, and leaves the names of the images', async () => {
    const run = folder();
    const settings = { learningRate: 1e30, clipNorm: 0, averageDecay: 0 };
    await expect(trainJob(job(run, 6, settings), '.', false, silent)).rejects.toThrow(/the loss is|norm/);
    const left = JSON.parse(read(run, 'nonfinite.json').toString()) as { images: { id: string }[] };
    expect(left.images[0]?.id).toMatch(/fluorescence/);
    expect(JSON.parse(read(run, 'status.json').toString())).toMatchObject({ state: 'failed' });
  });

  test('leaves pictures, a plot and an event file that TensorBoard can read', async () => {
    const run = folder();
    const titles: string[] = [];
    const emit = (event: JobEvent) => void (event.kind === 'stage' && titles.push(event.title));
    await trainJob(job(relative(process.cwd(), run), 1), '.', false, { emit });
    expect(titles[0]).toBe(`Training tiny in ${run}`);
    expect(readdirSync(join(run, 'previews'))).toEqual(['step-00000001-0.png']);
    expect(read(run, 'loss.svg').toString()).toMatch(/^<svg .*<\/svg>\n$/s);
    const events = readdirSync(run).find((name) => name.startsWith('events.out.tfevents')) ?? '';
    const file = await RecordFile.open(join(run, events));
    const records = await Promise.all((await file.places()).map((place) => file.read(place)));
    await file.close();
    const texts = records.map((record) => Buffer.from(record).toString('latin1'));
    expect(texts[0]).toContain('brain.Event:2');
    expect(texts[1]).toContain('loss/total');
    expect(texts[3]).toContain('preview/0');
    expect(texts[3]).toContain('\x89PNG');
  });
});
