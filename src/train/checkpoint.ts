import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedArray } from '../core/arrays.js';
import { DataError, reason, WeightsError } from '../core/errors.js';
import { writeFileAtomic } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { readSafetensors } from '../io/safetensors.js';
import { writeSafetensors } from '../io/safetensorsWrite.js';
import type { ModelConfig } from '../models/options.js';
import type { StoredThresholds } from '../weights/modelFile.js';
import type { Progress } from './trainer.js';

type Arrays = ReadonlyMap<string, NamedArray>;

/** Everything that a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  readonly progress: Progress;
  /** The best look at the validation part so far. */
  readonly best: { readonly f1: number; readonly thresholds: StoredThresholds };
  /** Sizes of the model. */
  readonly config: ModelConfig;
  readonly weights: Arrays;
  readonly optimiser: Arrays;
  readonly average: Arrays;
}

const PARTS = ['weights', 'optimiser', 'average'] as const;
const name = (step: number) => `step-${String(step).padStart(8, '0')}`;

/**
 * Writes a checkpoint to a folder of its own: first under another name, each file flushed, the manifest with sizes and
 * hashes last, then one rename. A folder without a sound manifest does not exist for a reader.
 *
 * @throws OutputError when the disk is full; earlier checkpoints stay
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint, keep: number): Promise<void> {
  const final = join(folder, name(checkpoint.progress.step));
  const partial = `${final}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    for (const part of PARTS) await writeSafetensors(join(partial, `${part}.safetensors`), checkpoint[part]);
    await writeFileAtomic(
      join(partial, 'state.json'),
      JSON.stringify({ progress: checkpoint.progress, best: checkpoint.best, config: checkpoint.config }),
    );
    const files: Record<string, string> = {};
    for (const file of (await readdir(partial)).sort()) files[file] = await sha256OfFile(join(partial, file));
    await writeFileAtomic(join(partial, 'manifest.json'), JSON.stringify({ format: 1, files }, null, 2));
    await rm(final, { recursive: true, force: true });
    await rename(partial, final);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    throw thrown;
  }
  const steps = await listCheckpoints(folder);
  for (const old of steps.slice(0, -keep))
    await rm(join(folder, name(old)), { recursive: true, force: true });
}

/** Steps of the checkpoints in a folder, rising; partial ones are not listed. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((n) => (/^step-\d+$/.test(n) ? [Number(n.slice(5))] : [])).sort((a, b) => a - b);
}

/**
 * The newest sound checkpoint; damaged ones are passed over with a warning.
 *
 * @throws DataError when none is sound
 */
export async function loadNewestCheckpoint(
  folder: string,
  warn: (message: string, where: string) => void,
): Promise<Checkpoint> {
  for (const step of (await listCheckpoints(folder)).reverse()) {
    const path = join(folder, name(step));
    try {
      return await loadCheckpoint(path);
    } catch (thrown) {
      warn(`this checkpoint is damaged (${reason(thrown)}); the one before it is used`, path);
    }
  }
  throw new DataError(`${folder} holds no sound checkpoint`, {
    where: folder,
    fix: 'start the run again without --resume',
  });
}

async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8')) as {
    files: Record<string, string>;
  };
  for (const [file, hash] of Object.entries(manifest.files)) {
    if ((await sha256OfFile(join(path, file))) !== hash)
      throw new WeightsError(`${file} has changed since it was written`, { where: path });
  }
  const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8')) as Pick<
    Checkpoint,
    'progress' | 'best' | 'config'
  >;
  const [weights, optimiser, average] = await Promise.all(
    PARTS.map(async (part) => (await readSafetensors(join(path, `${part}.safetensors`))).tensors),
  );
  return { ...state, weights: weights as Arrays, optimiser: optimiser as Arrays, average: average as Arrays };
}
