import { totalmem } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { annotatedFields } from '../adapt/annotated.js';
import { FeatureCache } from '../adapt/featureCache.js';
import { type FewshotResult, fewshot } from '../adapt/fewshot.js';
import { fewshotPage } from '../adapt/fewshotPage.js';
import { adaptOptions, askedParts } from '../adapt/options.js';
import { runStore } from '../adapt/runStore.js';
import { loadConfig } from '../config/load.js';
import { DataError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { requireWritable, writeFileAtomic } from '../core/files.js';
import { sha256 } from '../core/hash.js';
import { Random } from '../core/random.js';
import { openDataset, SPLITS } from '../data/dataset.js';
import type { Sample } from '../data/sample.js';
import { readGroups } from '../evaluate/sources.js';
import { thresholdSets } from '../segment/thresholds.js';
import { requireTraining } from '../tf/index.js';
import { baseModel } from '../weights/base.js';
import { loadModelFile } from '../weights/modelFile.js';
import { shippedModel } from '../weights/shippedModel.js';
import { TRAIN_JOB_PATHS, trainJobOptions } from './train.js';

export const fewshotJobOptions = adaptOptions.extend({
  parts: askedParts,
  config: z.string().describe('YAML with `data:`, as for training'),
  model: z.string().default(shippedModel).describe('model to adapt; the shipped one when absent'),
  groups: z.string().optional().describe('JSON file: {"<kind of image>": ["<image id>", ...]}'),
  kinds: z.array(z.string()).default([]).describe('with groups: only images of these kinds'),
  heldout: z
    .number()
    .int()
    .positive()
    .optional()
    .describe('images that are held out, drawn by the seed; the held-out part of the data set when absent'),
  shots: z.array(z.number().int().min(0)).min(1).default([0, 1, 2, 5, 10]).describe('annotated images'),
  seeds: z.number().int().positive().default(3).describe('draws of the annotated images'),
  boxesOnly: z.boolean().default(false).describe('forget the masks of the annotated images'),
  out: z.string().optional().describe('folder to write; runs/fewshot-<data set> when absent'),
});

export type FewshotJob = z.infer<typeof fewshotJobOptions>;

export interface FewshotJobResult extends FewshotResult {
  readonly report: string;
  readonly seconds: number;
}

/**
 * Measures how a model's score grows with the number of annotated images. Every adaptation is written as it is made: the same
 * call goes on where it was stopped.
 *
 * @throws DataError when there are too few images
 */
export async function fewshotJob(job: FewshotJob, context: JobContext): Promise<FewshotJobResult> {
  requireTraining();
  const started = performance.now();
  const { config: path, model: file, groups, kinds, heldout, shots, seeds, boxesOnly, out, ...options } = job;
  const { config, folder } = await loadConfig(trainJobOptions, path, [], TRAIN_JOB_PATHS);
  const name = kinds.length === 0 ? basename(resolve(config.data.root)) : kinds.join('-');
  const target = out ?? join('runs', `fewshot-${name}${boxesOnly ? '-boxes' : ''}`);
  await requireWritable(target);
  const isOfKind = await kindFilter(groups, kinds);
  const parts = partsOf(await readAll(config.data, folder, isOfKind, context), job);
  const most = Math.max(...shots);
  if (parts.pool.length < most || parts.heldout.length === 0)
    throw new DataError(
      `${parts.pool.length} images to learn from and ${parts.heldout.length} held out: ${most} and at least one are needed`,
      { where: path, fix: 'choose fewer --shots or --heldout, or other --kinds' },
    );
  const { model, card } = await loadModelFile(file);
  const limits = { memoryBytes: Math.min(2e9, totalmem() / 8), diskBytes: 0 };
  const { sha256: hash } = await baseModel(file);
  const ids = [parts.pool, parts.heldout].map((part) => part.map(({ source }) => source.contentHash));
  const key = sha256(JSON.stringify([hash, ids, boxesOnly, options])).slice(0, 12);
  try {
    const result = await fewshot(
      {
        model,
        thresholds: card.thresholds ?? thresholdSets.paper,
        pool: annotatedFields(parts.pool),
        heldout: annotatedFields(parts.heldout),
        shots: [...new Set(shots)].sort((a, b) => a - b),
        seeds,
        boxesOnly,
        options,
        cache: () => new FeatureCache(limits),
        store: runStore(join(target, 'adaptations'), key),
      },
      context,
    );
    const report = join(target, 'report.html');
    const madeFrom = [
      ['Made', new Date().toISOString()],
      ['Model', file],
      ['SHA-256 of the model', hash],
      ['Annotation', boxesOnly ? 'boxes only' : 'masks'],
    ] as const;
    const settings = JSON.stringify({ ...job, thresholds: card.thresholds }, null, 2);
    const title = `Few-shot adaptation to ${name}${boxesOnly ? ', boxes only' : ''}`;
    await writeFileAtomic(report, await fewshotPage(title, result, madeFrom, settings));
    const seconds = (performance.now() - started) / 1000;
    const done = { ...result, report, seconds };
    await writeFileAtomic(
      join(target, 'summary.json'),
      `${JSON.stringify({ ...done, madeFrom }, null, 2)}\n`,
    );
    return done;
  } finally {
    model.dispose();
  }
}

interface Parts {
  readonly pool: readonly Sample[];
  readonly heldout: readonly Sample[];
}

async function readAll(
  data: Parameters<typeof openDataset>[0],
  folder: string,
  isOfKind: (id: string) => boolean,
  context: JobContext,
): Promise<ReadonlyMap<(typeof SPLITS)[number], readonly Sample[]>> {
  const dataset = await openDataset(data, folder);
  const parts = new Map<(typeof SPLITS)[number], readonly Sample[]>();
  for (const split of SPLITS)
    parts.set(split, await dataset.readSplit(split, context, ({ id }) => isOfKind(id)));
  return parts;
}

/** Whether an image is of a kind that is asked for; other images are not even read. */
async function kindFilter(path: string | undefined, kinds: readonly string[]) {
  const groups = await readGroups(path);
  return (id: string): boolean => kinds.length === 0 || kinds.includes(groups.get(id) ?? '');
}

/** Pool and held-out part; equal pixels are never in both. */
function partsOf(all: Awaited<ReturnType<typeof readAll>>, job: FewshotJob): Parts {
  const isWanted = ({ instances }: Sample) => instances.kind === 'labels';
  const of = (split: (typeof SPLITS)[number]) => (all.get(split) ?? []).filter(isWanted);
  let [pool, heldout] = [[...of('train'), ...of('val')], of('heldout')];
  if (job.heldout !== undefined) {
    const every = [...pool, ...heldout].sort((a, b) => (a.id < b.id ? -1 : 1));
    const order = [...new Random(job.seed).split('heldout').permutation(every.length)];
    heldout = order.slice(0, job.heldout).map((i) => every[i] as Sample);
    pool = order.slice(job.heldout).map((i) => every[i] as Sample);
  }
  const held = new Set(heldout.map(({ source }) => source.contentHash));
  return { pool: pool.filter(({ source }) => !held.has(source.contentHash)), heldout };
}
