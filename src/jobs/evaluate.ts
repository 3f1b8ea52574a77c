import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../config/load.js';
import { DataError, UsageError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { openDataset, SPLITS } from '../data/dataset.js';
import { DATA_PATHS, dataOptions } from '../data/options.js';
import type { Sample } from '../data/sample.js';
import { calibrate, fullSweep, plainThresholds } from '../evaluate/calibrate.js';
import type { Case } from '../evaluate/cases.js';
import { BINARY } from '../evaluate/labelFiles.js';
import { folderCases, modelCases, predictedCases, readGroups } from '../evaluate/sources.js';
import { type EvaluateResult, evaluateCases, type Origin } from '../evaluate/writeReport.js';
import { segmenterOf } from '../segment/loadCellSam.js';
import { segmentOptions } from '../segment/options.js';
import { loadModelFile, type ModelCard, saveModelFile } from '../weights/modelFile.js';
import { modelFileAt } from '../weights/modelPath.js';
import { UNKNOWN_IMAGES, withImages } from '../weights/trainedImages.js';
import { leaks } from './leaks.js';
import { TRAIN_JOB_PATHS, trainJobOptions } from './train.js';

/** Parts that can be scored; `all` for sets of which a model has seen nothing. */
const SCORED = [...SPLITS, 'all'] as const;

export const evaluateJobOptions = z.strictObject({
  model: z
    .string()
    .optional()
    .describe('a model file, or a folder that holds model.safetensors; that of a run brings its data set'),
  pred: z.string().optional().describe('folder of masks, of any program'),
  truth: z.string().optional().describe('folder of true masks'),
  config: z
    .string()
    .optional()
    .describe("YAML with `datasets:`, or a training configuration; a run's own when absent"),
  split: z.enum(SCORED).optional().describe('which part of the data sets; heldout when absent'),
  groups: z.string().optional().describe('JSON file: {"<kind of image>": ["<image id>", ...]}'),
  boxes: z.enum(['detected', 'truth']).default('detected').describe('where boxes come from'),
  binary: z.enum(BINARY).default('refuse').describe('masks whose objects all have the same value'),
  shared: z.enum(['refuse', 'allow']).default('refuse').describe('images that trained the model'),
  calibrate: z.boolean().default(false).describe('first find thresholds on the validation part'),
  out: z.string().optional().describe('folder for the report'),
  force: z.boolean().default(false).describe('also when nothing has changed'),
  segment: segmentOptions.prefault({}).describe('how cells are made'),
});

export type EvaluateJob = z.infer<typeof evaluateJobOptions>;

/** Data sets to score on. */
export const evaluationOptions = z.strictObject({
  datasets: z
    .record(
      z.string(),
      z.strictObject({
        data: dataOptions.describe('annotated images'),
        split: z.enum(SCORED).default('heldout').describe('which part is scored'),
        groups: z.string().optional().describe('JSON file with kinds of images'),
      }),
    )
    .describe('data sets by the name that the report shows'),
});

/** Keys of a list of data sets that hold paths; see config/load.ts. */
export const EVALUATION_PATHS = [...DATA_PATHS.map((key) => `datasets.*.data.${key}`), 'datasets.*.groups'];

interface Wanted {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly split: (typeof SCORED)[number];
  readonly groups: string | undefined;
}

/**
 * Scores a model's or any program's masks and writes a report.
 *
 * @throws UsageError when it is not told what to score against what
 * @throws DataError naming every file that cannot be scored, or every held-out image that trained the model
 */
export async function evaluate(job: EvaluateJob, context: JobContext): Promise<EvaluateResult> {
  const { model, pred, truth, config } = job;
  if (model === undefined && pred !== undefined && truth !== undefined) {
    const cases = await folderCases(pred, truth, job.binary);
    const madeFrom: Origin['madeFrom'] = [
      ['Predicted masks', pred],
      ['True masks', truth],
    ];
    const origin = { title: `Masks of ${pred} against ${truth}`, madeFrom, attachments: [], warnings: [] };
    return evaluateCases(cases, origin, job.out ?? join(pred, 'report'), job.force, context);
  }
  if (model === undefined && pred !== undefined && config !== undefined) {
    const cases: Case[] = [];
    for (const set of await wantedSets(job, undefined, context))
      cases.push(
        ...(await predictedCases(set.name, set.samples, pred, job.binary, await readGroups(set.groups))),
      );
    const madeFrom: Origin['madeFrom'] = [
      ['Predicted masks', pred],
      ['Data sets', config],
    ];
    const origin = { title: `Masks of ${pred}`, madeFrom, attachments: [], warnings: [] };
    return evaluateCases(cases, origin, job.out ?? join(pred, 'report'), job.force, context);
  }
  if (model === undefined || pred !== undefined || truth !== undefined)
    throw new UsageError(faultOf(job), {
      fix: 'pass --model with --config (a run folder brings its own), or --pred with --truth or --config',
    });
  return evaluateModel(job, model, context);
}

/** Which option is missing or too many. */
function faultOf({ model, pred, truth }: EvaluateJob): string {
  if (model !== undefined)
    return `--model and ${pred === undefined ? '--truth' : '--pred'} do not go together: score a model, or masks of another program`;
  if (pred !== undefined)
    return `--truth is missing: the true masks that those of ${pred} are scored against`;
  if (truth !== undefined) return `--pred is missing: the masks that are scored against those of ${truth}`;
  return 'there is nothing to score: --model or --pred is missing';
}

async function evaluateModel(job: EvaluateJob, given: string, context: JobContext): Promise<EvaluateResult> {
  const file = await modelFileAt(given);
  const isFolder = file !== given;
  const ownConfig = join(given, 'config.yaml');
  const runConfig = isFolder && (await exists(ownConfig)) ? ownConfig : undefined;
  // Before the images, which may take minutes to read.
  const { model, card: stored } = await loadModelFile(file);
  try {
    const sets = await wantedSets(job, runConfig, context);
    const warnings = await leaks(sets, file, runConfig, job.shared, context);
    const card = job.calibrate
      ? await calibrated(file, { model, card: stored }, job, runConfig, context)
      : stored;
    const segmenter = segmenterOf(model, card, job.segment);
    const cases: Case[] = [];
    for (const { name, samples, groups } of sets) {
      const options = { segment: job.segment, trueBoxes: job.boxes === 'truth' };
      cases.push(...modelCases(name, samples, segmenter, options, await readGroups(groups)));
    }
    const settings = { boxes: job.boxes, ...job.segment, thresholds: segmenter.segmenter.thresholds };
    const origin: Origin = {
      title: `Cells found by ${given}${job.boxes === 'truth' ? ', with true boxes' : ''}`,
      madeFrom: [
        ['Model', file],
        ['SHA-256 of the model', await sha256OfFile(file)],
        [
          'Images',
          sets
            .map(
              ({ name, split, samples }) =>
                `${name}: ${samples.length} of ${split === 'all' ? 'all parts' : `the ${split} part`}`,
            )
            .join('; '),
        ],
      ],
      attachments: [
        ['Settings', JSON.stringify(settings, null, 2)],
        [
          'Model card',
          [
            `training: ${card.training}`,
            `licence: ${card.licence}`,
            `configuration: ${JSON.stringify(card.config)}`,
          ].join('\n'),
        ],
        ...(runConfig === undefined
          ? []
          : [['Training configuration', await readFile(runConfig, 'utf8')] as const]),
      ],
      warnings,
    };
    const out =
      job.out ?? (isFolder ? join(given, 'report') : `${file.replace(/\.safetensors$/, '')}-report`);
    return await evaluateCases(cases, origin, out, job.force, context);
  } finally {
    model.dispose();
  }
}

/** Reads the samples of every data set that is asked for. */
async function wantedSets(
  job: EvaluateJob,
  runConfig: string | undefined,
  context: JobContext,
): Promise<Wanted[]> {
  const path = job.config ?? runConfig;
  if (path === undefined)
    throw new UsageError('on which images?', {
      fix: 'pass --config with a training configuration or a list of data sets; only the folder of a training run brings its own',
    });
  const hasList = /^datasets\s*:/m.test(await readFile(path, 'utf8').catch(() => ''));
  if (!hasList) {
    const { config, folder } = await loadConfig(trainJobOptions, path, [], TRAIN_JOB_PATHS);
    const split = job.split ?? 'heldout';
    const samples = withMasks(await readPart(config.data, folder, split, context), context);
    return [{ name: config.data.type ?? basename(config.data.root), samples, split, groups: job.groups }];
  }
  const { config, folder } = await loadConfig(evaluationOptions, path, [], EVALUATION_PATHS);
  const sets: Wanted[] = [];
  for (const [name, set] of Object.entries(config.datasets)) {
    const split = job.split ?? set.split;
    const samples = withMasks(await readPart(set.data, folder, split, context), context);
    sets.push({ name, samples, split, groups: set.groups ?? job.groups });
  }
  return sets;
}

async function readPart(
  data: Parameters<typeof openDataset>[0],
  folder: string,
  part: (typeof SCORED)[number],
  context: JobContext,
): Promise<Sample[]> {
  const dataset = await openDataset(data, folder);
  const samples: Sample[] = [];
  for (const split of part === 'all' ? SPLITS : [part])
    samples.push(...(await dataset.readSplit(split, context)));
  return samples;
}

function withMasks(samples: readonly Sample[], { emit }: JobContext): Sample[] {
  const usable = samples.filter(({ instances }) => instances.kind === 'labels');
  const without = samples.filter((sample) => !usable.includes(sample)).map(({ id }) => id);
  if (usable.length === 0)
    throw new DataError('no image of this part has masks', { where: without[0] ?? 'data' });
  if (without.length > 0)
    emit({
      kind: 'warning',
      message: `${without.length} images without masks are not scored`,
      where: without.slice(0, 3).join(', '),
    });
  return usable;
}

/** Finds the thresholds on the validation part and writes them into the model's file. @returns the file's new card */
async function calibrated(
  file: string,
  { model, card }: Awaited<ReturnType<typeof loadModelFile>>,
  job: EvaluateJob,
  runConfig: string | undefined,
  context: JobContext,
): Promise<ModelCard> {
  const sets = await wantedSets({ ...job, split: 'val' }, runConfig, context);
  const images = sets.flatMap(({ samples }) =>
    samples.flatMap(({ image, instances }) =>
      instances.kind === 'labels' ? [{ image, truth: instances.labels }] : [],
    ),
  );
  const { boxThreshold: _given, ...options } = job.segment;
  const { thresholds: before, engine } = segmenterOf(model, card, options).segmenter;
  const found = await calibrate(
    model,
    images,
    fullSweep,
    { ...options, thresholds: 'model' },
    context,
    { ...plainThresholds(0.4), objectSide: card.thresholds?.objectSide },
    engine.scaling,
  );
  const message = `thresholds on ${images.length} validation images: F1 ${found.f1.toFixed(3)} with ${JSON.stringify(found.thresholds)}; before: ${JSON.stringify(before)}`;
  context.emit({ kind: 'note', message });
  const now = {
    ...card,
    thresholds: found.thresholds,
    trainedImages: withImages(
      card.trainedImages ?? UNKNOWN_IMAGES,
      sets.flatMap(({ samples }) => samples.map(({ source }) => source.contentHash)),
    ),
  };
  await saveModelFile(file, model.toArrays(), now);
  return now;
}
