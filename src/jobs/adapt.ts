import { totalmem } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { type AdaptOutcome, adapt } from '../adapt/adapt.js';
import { adaptPage } from '../adapt/adaptPage.js';
import { annotatedFields } from '../adapt/annotated.js';
import { type ChosenParts, partsToTrain } from '../adapt/chooseParts.js';
import { stepsReached } from '../adapt/decide.js';
import { FeatureCache } from '../adapt/featureCache.js';
import { ADAPTED, type AdaptOptions, adaptOptions, askedParts, PARTS } from '../adapt/options.js';
import { meanOf } from '../adapt/score.js';
import { queriesFor, trimQueries } from '../adapt/trimQueries.js';
import { CellsamError, DataError, OutputError, type Problem, throwIfAborted } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, requireWritable, writeFileAtomic } from '../core/files.js';
import { sha256 } from '../core/hash.js';
import { FORMAT_NAMES, type FormatName, formatNamed } from '../data/formats/formats.js';
import { type Layout, recogniseLayout } from '../data/formats/recognise.js';
import type { Sample } from '../data/sample.js';
import { thresholdSets } from '../segment/thresholds.js';
import { requireTraining } from '../tf/index.js';
import { baseModel, changedFrom } from '../weights/base.js';
import { withFactors } from '../weights/lowRank.js';
import { loadModelFile, saveModelFile } from '../weights/modelFile.js';
import { shippedModel } from '../weights/shippedModel.js';
import { UNKNOWN_IMAGES, withImages } from '../weights/trainedImages.js';

export { stepsReached };

export const adaptJobOptions = adaptOptions.extend({
  parts: askedParts,
  folder: z.string().describe('folder of images with masks or boxes, in any known layout'),
  type: z.enum(FORMAT_NAMES).optional().describe('layout; recognised from the files when absent'),
  model: z.string().default(shippedModel).describe('model to adapt; the shipped one when absent'),
  out: z.string().optional().describe('folder to write; runs/adapt-<folder> when absent'),
  overwrite: z.boolean().default(false).describe('replace what is in the folder to write'),
  merge: z.boolean().default(false).describe('write all weights, not only those that changed'),
  cache: z.string().optional().describe('folder for computed features, kept for the next time'),
});

export type AdaptJob = z.infer<typeof adaptJobOptions>;

export interface AdaptResult {
  readonly folder: string;
  readonly images: number;
  readonly objects: number;
  readonly isKept: boolean;
  readonly why: string;
  /** Steps of each round of cross-validation, and how many each was to have. */
  readonly roundSteps: readonly number[];
  readonly stepsWanted: number;
  /** A longer budget, as it is typed, where the time ended learning early. */
  readonly longerBudget?: string;
  /** Held-out images, or halves of the only one, that were scored. */
  readonly tested: number;
  readonly before: number;
  readonly after: number;
  /** To be expected on other images, with its 95 % interval. */
  readonly gain: number;
  readonly interval: readonly [number, number];
  /** File of the model to use from now on: the adapted one, or the same as the one that was given. */
  readonly model: string;
  readonly seconds: number;
}

const GB = 1e9;

/**
 * Adapts a model to a user's annotated images and writes it, or the model as it came where that is better on held-out ones.
 *
 * @throws DataError when nothing can be learnt from the folder, OutputError when the output exists or cannot be written
 */
export async function adaptJob(job: AdaptJob, context: JobContext): Promise<AdaptResult> {
  const started = performance.now();
  requireTraining();
  const { folder: source, type, model: base, out, overwrite, merge, cache, parts, ...rest } = job;
  const folder = out ?? join('runs', `adapt-${basename(resolve(source))}`);
  const report = join(folder, 'adapt.json');
  if (!overwrite && (await exists(report))) {
    throw new OutputError(`${folder} holds an adaptation already`, {
      where: folder,
      fix: 'choose another folder with --out, or replace it with --overwrite',
    });
  }
  await requireWritable(folder);
  const fields = annotatedFields(await readAll(source, type, context));
  if (fields.length === 0) {
    throw new DataError(`${source} has no image with masks or boxes`, {
      where: source,
      fix: 'give each image its masks (for example x.tif and x_masks.tif); `cellsam check` tells what it sees',
    });
  }
  const { model: whole, card } = await loadModelFile(base);
  const before = whole.toArrays();
  const model = trimQueries(whole, queriesFor(Math.max(...fields.map(({ boxes }) => boxes.count)))) ?? whole;
  if (model !== whole) {
    const [from, to] = [whole, model].map(({ config }) => config.cellfinder.numQueryPosition);
    context.emit({ kind: 'note', message: `${to} of ${from} queries are enough for these images` });
  }
  const hash = (await baseModel(base)).sha256;
  const thresholds = card.thresholds ?? thresholdSets.paper;
  try {
    const chosen = await partsToTrain({ parts, lora: rest.lora }, model, thresholds, fields, context.signal);
    tellChosen(chosen, context);
    const options: AdaptOptions = { ...rest, parts: chosen.parts };
    const features = new FeatureCache(
      { memoryBytes: Math.min(2 * GB, totalmem() / 8), diskBytes: 10 * GB },
      cache === undefined
        ? undefined
        : join(cache, sha256(hash, options.parts.join(), options.lora.join()).slice(0, 16)),
    );
    const outcome = await adapt(
      {
        model,
        rival: model === whole ? undefined : whole,
        thresholds,
        fields,
        options,
        cache: features,
        started,
      },
      context,
    );
    const target = join(folder, 'model.safetensors');
    const reference = await baseModel(base);
    const from = `adapted to ${fields.length} images of ${basename(resolve(source))}`;
    const { weights, card: own } = outcome.decision.isKept
      ? {
          weights: merge
            ? model.toArrays()
            : withFactors(changedFrom(before, model.toArrays()), outcome.factors),
          card: {
            ...card,
            config: model.config,
            thresholds: outcome.thresholds,
            scaling: 'plain' as const, // as it was shown the images here, whatever its base was trained on
            trainedImages: withImages(
              card.trainedImages ?? UNKNOWN_IMAGES,
              fields.map(({ contentHash }) => contentHash),
            ),
            training: `${card.training}; ${from} (${outcome.steps} steps of ${partsOf(options)})`,
          },
        }
      : { weights: merge ? before : new Map(), card }; // the model as it came, so that what uses the file goes on
    await saveModelFile(target, weights, own, merge ? {} : { base: reference });
    const result = { ...summarise(outcome, folder, target, fields.length), stepsWanted: options.steps };
    const objects = fields.reduce((sum, field) => sum + field.boxes.count, 0);
    const { factors: _, ...details } = outcome;
    await writeFileAtomic(report, JSON.stringify({ ...result, objects, options, details }, null, 2));
    const madeFrom = [
      ['Images', `${fields.length} of ${source}, ${objects} annotated cells`],
      ['Model', base],
      ['SHA-256 of the model', hash],
    ] as const;
    const title = `Adaptation to ${basename(resolve(source))}`;
    const page = await adaptPage(title, outcome, madeFrom, JSON.stringify(options, null, 2));
    await writeFileAtomic(join(folder, 'report.html'), page);
    return { ...result, objects };
  } finally {
    if (model !== whole) whole.dispose();
    model.dispose();
  }
}

function tellChosen({ parts, inTrueBoxes }: ChosenParts, { emit }: JobContext): void {
  if (inTrueBoxes === undefined || parts.length === 1) return;
  const message = `masks in the annotated cells' own boxes reach F1 ${inTrueBoxes.toFixed(2)} only: the mask decoder learns too`;
  emit({ kind: 'note', message });
}

const partsOf = ({ parts, lora, rank }: AdaptOptions): string =>
  [...parts, ...lora.map((part) => `${part} by adapters of rank ${rank}`)].join(', ');

function summarise(outcome: AdaptOutcome, folder: string, model: string, images: number) {
  const mean = (scores: AdaptOutcome['before']) => meanOf(scores.map((score) => score.f1));
  return {
    folder,
    images,
    isKept: outcome.decision.isKept,
    why: outcome.decision.why,
    roundSteps: outcome.roundSteps,
    ...(outcome.longerBudget === undefined ? {} : { longerBudget: outcome.longerBudget }),
    tested: outcome.before.length,
    before: mean(outcome.before),
    after: mean(outcome.after),
    gain: outcome.gain.mean,
    interval: [outcome.gain.low, outcome.gain.high] as const,
    model,
    seconds: outcome.seconds,
  };
}

async function readAll(folder: string, type: FormatName | undefined, context: JobContext): Promise<Sample[]> {
  const layout = type === undefined ? await layoutOf(folder) : { type, options: {} };
  const format = await formatNamed(layout.type, layout.options);
  const refs = await format.list(folder);
  const samples: Sample[] = [];
  const problems: Problem[] = [];
  for (const ref of refs) {
    throwIfAborted(context.signal);
    try {
      samples.push(await format.read(folder, ref));
    } catch (thrown) {
      if (!(thrown instanceof CellsamError)) throw thrown;
      problems.push({ where: thrown.where ?? ref.id, message: thrown.message });
    }
  }
  if (problems.length === 0) return samples;
  throw new DataError(`${problems.length} of ${refs.length} images cannot be used`, {
    problems,
    fix: 'mend or remove the files named above',
  });
}

async function layoutOf(folder: string): Promise<Layout> {
  try {
    return await recogniseLayout(folder);
  } catch (thrown) {
    if (!(thrown instanceof DataError) || !(await exists(folder))) throw thrown;
    throw new DataError(`${folder} holds no annotated images that are recognised`, {
      where: folder,
      fix: `put beside each image its masks (a.tif and a_masks.tif, one number for each cell), or name the layout with --type: ${FORMAT_NAMES.join(', ')}`,
      cause: thrown,
    });
  }
}

/** Names of the parts that can be trained, for the command line. */
export const ADAPT_PARTS = Object.keys(PARTS);
/** Names of the parts that low-rank adapters can change. */
export const ADAPTER_PARTS = Object.keys(ADAPTED);
