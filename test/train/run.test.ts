import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { JobEvent } from '../../src/core/events.js';
import { trainJob, trainJobOptions } from '../../src/jobs/train.js';
import { tf } from '../../src/tf/index.js';

const folder = () => join(mkdtempSync(join(tmpdir(), 'run-')), 'run');

const job = (run: string, maxSteps: number) =>
  trainJobOptions.parse({
    data: { type: 'simulated', count: 8, fieldSize: 64 },
    model: { preset: 'tiny', imgSize: 64 },
    train: {
      maxSteps,
      batchSize: 2,
      learningRate: 1e-3,
      evaluateEvery: 4,
      checkpointEvery: 2,
      promptsPerImage: 2,
    },
    run: { folder: run },
  });

const weightsOf = (run: string) => {
  const last = readdirSync(join(run, 'checkpoints')).sort().at(-1) ?? '';
  return readFileSync(join(run, 'checkpoints', last, 'weights.safetensors'));
};

describe('a training run', () => {
  test('that was stopped and resumed ends with the same weights, bit for bit, as one that was not', async () => {
    const [whole, stopped] = [folder(), folder()];
    await trainJob(job(whole, 6), '.', false, { emit: () => {} });
    const abort = new AbortController();
    const emit = (event: JobEvent) => {
      if (event.kind === 'progress' && event.unit === 'steps' && event.done === 3) abort.abort();
    };
    await expect(trainJob(job(stopped, 6), '.', false, { emit, signal: abort.signal })).rejects.toThrow(
      /stopped after step 3/,
    );
    await trainJob(job(stopped, 6), '.', true, { emit: () => {} });
    expect(weightsOf(stopped).equals(weightsOf(whole))).toBe(true);
  });

  test('whose newest checkpoint is damaged goes on from the one before, with a warning', async () => {
    const run = folder();
    await trainJob(job(run, 4), '.', false, { emit: () => {} });
    const checkpoints = join(run, 'checkpoints');
    writeFileSync(
      join(checkpoints, readdirSync(checkpoints).sort().at(-1) ?? '', 'optimiser.safetensors'),
      'damaged',
    );
    const warnings: string[] = [];
    await trainJob(job(run, 5), '.', true, { emit: (e) => e.kind === 'warning' && warnings.push(e.message) });
    expect(warnings.filter((w) => w.includes('damaged'))).toHaveLength(1);
  });

  test('does not overwrite another, and leaves no tensors behind', async () => {
    const run = folder();
    const before = tf.memory().numTensors;
    await trainJob(job(run, 2), '.', false, { emit: () => {} });
    expect(tf.memory().numTensors).toBe(before);
    await expect(trainJob(job(run, 2), '.', false, { emit: () => {} })).rejects.toThrow(/exists already/);
  });
});
