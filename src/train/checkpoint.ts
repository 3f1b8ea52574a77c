import { open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NamedArray } from '../core/arrays.js';
import { DataError, reason, WeightsError } from '../core/errors.js';
import { asOutputError, makeFolder, writeFileAtomic } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { readSafetensors } from '../io/safetensors.js';
import { writeSafetensors } from '../io/safetensorsWrite.js';
import type { ModelConfig } from '../models/options.js';
import type { StoredThresholds } from '../weights/modelFile.js';
import type { TrainedImages } from '../weights/trainedImages.js';
import type { Progress } from './trainer.js';

type Arrays = ReadonlyMap<string, NamedArray>;

/** What the looks at the validation part have found so far. */
export interface Standing {
  /** The best look; step 0 before the first. */
  readonly best: { readonly f1: number; readonly thresholds: StoredThresholds; readonly step: number };
  /** Step of the newest look; 0 before the first. */
  readonly lastLook: number;
  /** Looks since the best one. */
  readonly looksWithoutGain: number;
}

/** Everything that a run needs to go on as if it had never stopped. */
export interface Checkpoint {
  readonly progress: Progress;
  readonly standing: Standing;
  /** Images that its weights have learned from, those of the weights it began with included; not in older files. */
  readonly images?: TrainedImages;
  /** Sizes of the model. */
  readonly config: ModelConfig;
  readonly weights: Arrays;
  readonly optimiser: Arrays;
  readonly average: Arrays;
}

const PARTS = ['weights', 'optimiser', 'average'] as const;
const REPLACED = '.replaced';
const name = (step: number) => `step-${String(step).padStart(8, '0')}`;

/**
 * Writes a checkpoint to a folder of its own: first under another name, each file flushed, the manifest with sizes and
 * hashes last, then one rename. A folder without a sound manifest does not exist for a reader. The last `keep` and the
 * best one stay; `index.json` tells which they are.
 *
 * @throws OutputError when the disk is full; earlier checkpoints stay
 */
export async function saveCheckpoint(folder: string, checkpoint: Checkpoint, keep: number): Promise<void> {
  const { progress, standing, images, config } = checkpoint;
  const final = join(folder, name(progress.step));
  const partial = `${final}.partial`;
  try {
    await removeLeftovers(folder);
    await makeFolder(partial);
    for (const part of PARTS) await writeSafetensors(join(partial, `${part}.safetensors`), checkpoint[part]);
    await writeFileAtomic(
      join(partial, 'state.json'),
      JSON.stringify({ progress, standing, images, config }),
    );
    const files: Record<string, string> = {};
    for (const file of (await readdir(partial)).sort()) files[file] = await sha256OfFile(join(partial, file));
    await writeFileAtomic(join(partial, 'manifest.json'), JSON.stringify({ format: 2, files }, null, 2));
    await flushFolder(partial);
    await putInPlace(partial, final);
    await flushFolder(folder);
    await updateIndex(folder, standing.best.step);
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true });
    throw asOutputError(folder, thrown);
  }
  const steps = await listCheckpoints(folder);
  for (const old of steps.slice(0, -keep)) {
    if (old !== standing.best.step) await rm(join(folder, name(old)), { recursive: true, force: true });
  }
  await updateIndex(folder, standing.best.step);
}

/** A checkpoint of the same step stays readable until the new one stands in its place. */
async function putInPlace(partial: string, final: string): Promise<void> {
  const old = `${final}${REPLACED}`;
  await rename(final, old).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code !== 'ENOENT') throw thrown;
  });
  await rename(partial, final);
  await rm(old, { recursive: true, force: true });
}

/** What a killed process left: half-written checkpoints, and replaced ones whose successor stands. */
async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  for (const entry of names) {
    const step = entry.slice(0, -REPLACED.length);
    if (entry.endsWith(REPLACED) && !names.includes(step))
      await rename(join(folder, entry), join(folder, step));
    else if (entry.endsWith(REPLACED) || entry.endsWith('.partial'))
      await rm(join(folder, entry), { recursive: true, force: true });
  }
}

async function updateIndex(folder: string, best: number): Promise<void> {
  const steps = await listCheckpoints(folder);
  const of = (step: number | undefined) => (step !== undefined && steps.includes(step) ? name(step) : null);
  const index = { best: of(best), last: of(steps.at(-1)), kept: steps.map(name) };
  await writeFileAtomic(join(folder, 'index.json'), JSON.stringify(index, null, 2));
}

/** Makes the names in a folder survive a power cut; where a folder cannot be opened (Windows) the system does it. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Steps of the checkpoints in a folder, rising; partial ones are not listed. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const steps = names.flatMap((n) => /^step-(\d+)(?:\.replaced)?$/.exec(n)?.[1] ?? []);
  return [...new Set(steps.map(Number))].sort((a, b) => a - b);
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
    for (const path of [join(folder, name(step)), join(folder, `${name(step)}${REPLACED}`)]) {
      try {
        return await loadCheckpoint(path);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ENOENT' && path.endsWith(REPLACED)) continue;
        if ((await readdir(path).catch(() => undefined)) === undefined) continue;
        warn(`this checkpoint is damaged (${reason(thrown)}); the one before it is used`, path);
      }
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
  for (const file of ['state.json', ...PARTS.map((part) => `${part}.safetensors`)]) {
    if ((await sha256OfFile(join(path, file))) !== manifest.files[file])
      throw new WeightsError(`${file} has changed since it was written`, { where: path });
  }
  const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8')) as Pick<
    Checkpoint,
    'progress' | 'standing' | 'images' | 'config'
  >;
  const [weights, optimiser, average] = await Promise.all(
    PARTS.map(async (part) => (await readSafetensors(join(path, `${part}.safetensors`))).tensors),
  );
  return { ...state, weights: weights as Arrays, optimiser: optimiser as Arrays, average: average as Arrays };
}
