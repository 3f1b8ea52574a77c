import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { plainThresholds } from '../../src/evaluate/calibrate.js';
import { type Checkpoint, loadNewestCheckpoint, saveCheckpoint } from '../../src/train/checkpoint.js';
import { tinyConfig } from '../support/tinyModel.js';

const empty = () => mkdtempSync(join(tmpdir(), 'checkpoints-'));
const never = (message: string) => {
  throw new Error(message);
};

function checkpoint(step: number, best = step, values = 16): Checkpoint {
  const array = { shape: [values], dtype: 'float32' as const, data: new Float32Array(values).fill(step) };
  return {
    progress: { step, cursor: { epoch: 1, position: step, random: [] } },
    standing: {
      best: { f1: 0.5, thresholds: plainThresholds(0.25), step: best },
      lastLook: best,
      looksWithoutGain: 0,
    },
    images: { count: 1, hashes: ['00000000000000ff'], isComplete: true },
    config: tinyConfig(),
    weights: new Map([['w', array]]),
    optimiser: new Map([['w|first', array]]),
    average: new Map(),
  };
}

const folders = (path: string) => readdirSync(path).filter((n) => n.startsWith('step-'));
const index = (path: string) => JSON.parse(readFileSync(join(path, 'index.json'), 'utf8')) as object;

describe('checkpoints', () => {
  test('come back as they were', async () => {
    const path = empty();
    const saved = checkpoint(7);
    await saveCheckpoint(path, saved, 2);
    expect(await loadNewestCheckpoint(path, never)).toEqual(saved);
  });

  test('the last few and the best are kept, and index.json names them', async () => {
    const path = empty();
    for (const step of [1, 2, 3, 4, 5]) await saveCheckpoint(path, checkpoint(step, Math.min(step, 2)), 2);
    expect(folders(path)).toEqual(['step-00000002', 'step-00000004', 'step-00000005']);
    expect(index(path)).toEqual({ best: 'step-00000002', last: 'step-00000005', kept: folders(path) });
  });

  test('one of the same step replaces the other; killed between the two renames, the old one still loads', async () => {
    const path = empty();
    await saveCheckpoint(path, checkpoint(3, 1), 2);
    renameSync(join(path, 'step-00000003'), join(path, 'step-00000003.replaced'));
    mkdirSync(join(path, 'step-00000003.partial'));
    expect((await loadNewestCheckpoint(path, never)).standing.best.step).toBe(1);
    await saveCheckpoint(path, checkpoint(3, 3), 2);
    expect((await loadNewestCheckpoint(path, never)).standing.best.step).toBe(3);
    expect(readdirSync(path).sort()).toEqual(['index.json', 'step-00000003']);
  });

  test.each(['weights.safetensors', 'state.json', 'manifest.json'])(
    'with a damaged %s are passed over with a warning',
    async (file) => {
      const path = empty();
      for (const step of [1, 2]) await saveCheckpoint(path, checkpoint(step), 3);
      const target = join(path, 'step-00000002', file);
      const bytes = readFileSync(target);
      bytes[bytes.length - 2] = (bytes[bytes.length - 2] as number) ^ 1;
      writeFileSync(target, file === 'manifest.json' ? bytes.subarray(0, 20) : bytes);
      const warnings: string[] = [];
      const loaded = await loadNewestCheckpoint(path, (message) => warnings.push(message));
      expect(loaded.progress.step).toBe(1);
      expect(warnings).toEqual([expect.stringMatching(/damaged .* the one before it is used/)]);
    },
  );

  const disk = smallDisk();
  afterAll(() => {
    if (disk !== undefined) execFileSync('umount', [disk]);
  });
  const onSmallDisk = disk === undefined ? test.skip : test;
  onSmallDisk('on a full disk fail with one sentence and lose nothing (needs leave to mount)', async () => {
    const path = join(disk as string, 'checkpoints');
    const large = 60_000; // two files of 240 kB a checkpoint, 1 MB in all
    await saveCheckpoint(path, checkpoint(1, 1, large), 3);
    const before = folders(path);
    let failure: unknown;
    for (let step = 2; step < 6 && failure === undefined; step++)
      failure = await saveCheckpoint(path, checkpoint(step, 1, large), 9).catch((thrown: unknown) => thrown);
    expect(String(failure)).toMatch(/no space left on the disk/);
    expect(folders(path)).toEqual(expect.arrayContaining(before));
    expect(readdirSync(path).filter((n) => n.includes('partial'))).toEqual([]);
    await loadNewestCheckpoint(path, never);
  });
});

/** A disk of 1 MB, where this user may mount one. */
function smallDisk(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), 'disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch {
    return undefined;
  }
}
