import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { loadConfig } from '../config/load.js';
import type { JobContext } from '../core/events.js';
import { writeFileAtomic } from '../core/files.js';
import { sha256 } from '../core/hash.js';
import { openDataset, type Split } from '../data/dataset.js';
import type { Sample } from '../data/sample.js';
import { refuseShared, repeats, type Twin } from '../evaluate/heldOut.js';
import { trainedImagesOf } from '../weights/modelFile.js';
import { isTrainedOn } from '../weights/trainedImages.js';
import { TRAIN_JOB_PATHS, trainJobOptions } from './train.js';

interface Scored {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Images of `heldout` and `all` must not have trained the model. */
  readonly split: Split | 'all';
}

const isHeldOut = ({ split }: Pick<Scored, 'split'>): boolean => split === 'heldout' || split === 'all';

/**
 * Refuses held-out images that trained the model: by the list in the model's file, and by the run's parts where the file
 * was written without one. Tells what could not be checked.
 *
 * @param runConfig the configuration of the run that made the model, where it is known
 * @throws DataError naming every image that trained the model, unless they are allowed
 */
export async function leaks(
  sets: readonly Scored[],
  model: string,
  runConfig: string | undefined,
  shared: 'refuse' | 'allow',
  context: JobContext,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const { name, split, samples } of sets) {
    if (!isHeldOut({ split }))
      warnings.push(
        `${name}: these are ${split} images, not held-out ones; scores of unseen images are lower.`,
      );
    for (const ids of repeats(samples))
      warnings.push(`${name}: the same pixels under several names: ${ids.join(', ')}.`);
  }
  const heldOut = sets.filter(isHeldOut).flatMap(({ samples }) => samples);
  if (heldOut.length === 0) return warnings;
  const { twinOf, warning } = await trainedOn(model, runConfig, context);
  if (warning !== undefined) warnings.push(warning);
  if (shared === 'refuse') refuseShared(heldOut, twinOf);
  else {
    const count = heldOut.filter(({ source }) => twinOf(source.contentHash) !== undefined).length;
    if (count > 0)
      warnings.push(
        `${count} of these images trained the model: the scores say nothing about unseen images.`,
      );
  }
  return warnings;
}

/** How to ask whether an image trained the model, and what is uncertain about the answer. */
async function trainedOn(
  model: string,
  runConfig: string | undefined,
  context: JobContext,
): Promise<{ readonly twinOf: Twin; readonly warning?: string }> {
  const images = await trainedImagesOf(model);
  const isKnown = isTrainedOn(images);
  const listed: Twin = (hash) => (isKnown(hash) ? 'an image that trained the model' : undefined);
  if (!images.isComplete && runConfig !== undefined) {
    const trained = await hashesOfRun(runConfig, context);
    const named: Twin = (hash) => {
      const id = trained.get(hash);
      return id === undefined ? listed(hash) : `${id}, which trained the model`;
    };
    return { twinOf: named };
  }
  if (images.count === 0 && !images.isComplete)
    return {
      twinOf: listed,
      warning:
        'Whether these images trained the model could not be checked: its file does not tell which did.',
    };
  if (!images.isComplete)
    return {
      twinOf: listed,
      warning: `The model tells ${images.count} images that it learned from; those of the weights that it began with are not known.`,
    };
  if (images.count > images.hashes.length)
    return {
      twinOf: listed,
      warning: `The model's file lists ${images.hashes.length} of the ${images.count} images that trained it: the others could not be checked.`,
    };
  return { twinOf: listed };
}

/** Hashes of a run's training and validation images; kept beside the run, under the hash of its configuration. */
async function hashesOfRun(runConfig: string, context: JobContext): Promise<ReadonlyMap<string, string>> {
  const path = join(dirname(runConfig), 'image-hashes.json');
  const key = sha256(await readFile(runConfig, 'utf8'));
  try {
    const kept = JSON.parse(await readFile(path, 'utf8')) as {
      config: string;
      images: Record<string, string>;
    };
    if (kept.config === key) return new Map(Object.entries(kept.images));
  } catch {
    // not there yet
  }
  const { config, folder } = await loadConfig(trainJobOptions, runConfig, [], TRAIN_JOB_PATHS);
  const dataset = await openDataset(config.data, folder);
  const images: Record<string, string> = {};
  for (const split of ['train', 'val'] as const)
    for (const { id, source } of await dataset.readSplit(split, context)) images[source.contentHash] = id;
  await writeFileAtomic(path, JSON.stringify({ config: key, images }));
  return new Map(Object.entries(images));
}
