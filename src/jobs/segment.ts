import { basename } from 'node:path';
import { z } from 'zod';
import {
  DataError,
  Interrupted,
  OutputError,
  PartialError,
  type Problem,
  reasonAndFix,
} from '../core/errors.js';
import type { EventListener, JobContext } from '../core/events.js';
import { imageOptions } from '../data/imageOptions.js';
import { boxesFrom } from '../image/boxes.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import { precisions } from '../segment/engines/onnx.js';
import type { OpenedImage } from '../segment/imageFile.js';
import { parseBytes, wholePixels } from '../segment/memoryPlan.js';
import { segmentOptions } from '../segment/options.js';
import { outputNames, outputPath, saveOutputs } from '../segment/outputs/outputs.js';
import { readAhead } from '../segment/readAhead.js';
import { factsOf, hintOf, type ImageFacts } from './segmentFacts.js';
import type { BoxTable } from './segmentInputs.js';
import { bytesOf, openModel } from './segmentModel.js';
import { planOf, type SegmentPlan } from './segmentPlan.js';
import { segmentSlide } from './segmentSlide.js';
import { writeSummaries } from './segmentSummary.js';

const outputName = z.enum(outputNames as [(typeof outputNames)[number], ...(typeof outputNames)[number][]]);

export { shippedModel } from '../weights/shippedModel.js';

const { channels, pages, pixelSizeUm } = imageOptions;

/** What `cellsam segment` is told. */
export const segmentJob = z.strictObject({
  model: z.string().describe('model file'),
  inputs: z.array(z.string()).min(1).describe('image files, folders, or patterns'),
  out: z.string().optional().describe('folder for the results; beside each image when absent'),
  save: z.array(outputName).min(1).default(['tiff']).describe('which files to write'),
  overwrite: z
    .boolean()
    .default(false)
    .describe(
      'replace files that are there; else such images are skipped where they were made by the same settings',
    ),
  boxes: z
    .string()
    .optional()
    .describe('JSON file: {"<image name>": [[x0, y0, x1, y1], ...]}; no detection then'),
  threads: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('threads that decode images ahead of the model; 1 for more than a few images when absent'),
  engine: z
    .enum(['tensorflow', 'onnx'])
    .default('tensorflow')
    .describe('what computes: TensorFlow, or ONNX Runtime (model: an exported folder, or a model file)'),
  precision: z.enum(precisions).default('float32').describe('how the numbers of ONNX files are stored'),
  maxMemory: z
    .string()
    .refine((text) => parseBytes(text) !== undefined, 'must be an amount of memory such as `4 GB`')
    .optional()
    .describe('memory of the whole program, e.g. `4 GB`: images that need more are segmented tile by tile'),
  images: z.strictObject({ channels, pages, pixelSizeUm }).prefault({}).describe('how images are read'),
  segment: segmentOptions.prefault({}).describe('how cells are made'),
});

export type SegmentJob = z.infer<typeof segmentJob>;

/** One image that was segmented. */
export interface SegmentedImage extends ImageFacts {
  readonly path: string;
  readonly files: readonly string[];
}

/** What was done. */
export interface SegmentSummary {
  readonly images: readonly SegmentedImage[];
  /** Images whose outputs were there already, made by the same settings as far as that is known. */
  readonly skipped: readonly string[];
  /** Those of them whose settings are not known: they were made by a version that kept no record. */
  readonly uncompared: readonly string[];
  /** Tables of all images of a folder of results, where it has more than one. */
  readonly summaries: readonly string[];
  readonly seconds: number;
}

/** Images above this many pixels are read and written tile by tile, labels only. */
const STREAMED_PIXELS = 64e6;
/** A thread takes half a second to start; for fewer images it does not pay. */
const FEW_IMAGES = 4;

/**
 * Segments all images; a bad one is named and the rest is done. Images are decoded ahead, and results written behind.
 *
 * @throws PartialError listing the images that failed; OutputError, before anything is computed, where results cannot be
 *   written, or are there by other settings; UsageError where tiles
 *   are too small for the model or share too much
 */
export async function segmentFiles(config: SegmentJob, context: JobContext): Promise<SegmentSummary> {
  const start = performance.now();
  const plan = await planOf(config, context);
  const { paths, skipped, uncompared } = plan;
  const { images, failures, keepsSize } = await segmentWanted(plan, config, context);
  const hint = hintOf(images, keepsSize);
  if (hint !== undefined) context.emit({ kind: 'note', message: hint });
  const summaries = await writeSummaries(plan.folders, context.emit);
  const summary = { images, skipped, uncompared, summaries, seconds: (performance.now() - start) / 1000 };
  const problems = [...plan.problems, ...failures];
  if (problems.length === 0) return summary;
  throw new PartialError(failureText(problems.length, paths.length), { problems, result: summary });
}

function failureText(failed: number, all: number): string {
  if (all === 1) return 'the image could not be segmented';
  if (failed === all) return `none of ${all} images could be segmented`;
  return `${failed} of ${all} images could not be segmented; the rest was done`;
}

/** What came of the images, in their order. */
interface Outcome {
  readonly images: readonly SegmentedImage[];
  readonly failures: readonly Problem[];
  /** Whether the model sees images in their own size or magnified by choice. */
  readonly keepsSize: boolean;
}

async function segmentWanted(plan: SegmentPlan, config: SegmentJob, context: JobContext): Promise<Outcome> {
  const { paths, wanted, boxes } = plan;
  const images: SegmentedImage[] = [];
  const failures: Problem[] = [];
  const failed = (path: string, thrown: unknown): void => {
    const message = reasonAndFix(thrown);
    failures.push({ where: path, message });
    context.emit({ kind: 'warning', message, where: path });
  };
  const keep = async (path: string, { facts, save }: Finished): Promise<void> => {
    const files = await save();
    await plan.remember(path, files, facts);
    images.push({ path, ...facts, files });
  };
  const model = await openModel(config, context);
  const keepsSize = model.segmenter.fit === 'native';
  let behind: Promise<void> = Promise.resolve();
  let done = paths.length - wanted.length;
  try {
    model.checkTiles();
    const threads = config.threads ?? (wanted.length < FEW_IMAGES ? 0 : 1);
    const { limit, largest } = memoryFor(model, config, Math.min(wanted.length, 2 + Math.max(1, threads)));
    for await (const result of readAhead(wanted, threads, largest, config.images)) {
      const { path } = result;
      try {
        if ('failure' in result) throw result.failure;
        const finished = await one(path, result.opened, { model, config, boxes, limit }, context);
        await behind;
        behind = keep(path, finished).catch((thrown: unknown) => failed(path, thrown));
      } catch (thrown) {
        if (thrown instanceof Interrupted) throw thrown;
        failed(path, thrown);
      }
      const detail = basename(path);
      context.emit({ kind: 'progress', done: ++done, total: paths.length, unit: 'images', detail });
    }
  } finally {
    await behind;
    model.dispose();
  }
  return { images, failures, keepsSize };
}

/** The limit of the whole program, and pixels of the largest image that is held. @param inFlight images held at once */
function memoryFor(model: CellSegmenter, config: SegmentJob, inFlight: number) {
  const maxBytes = parseBytes(config.maxMemory ?? '');
  if (maxBytes === undefined)
    return { limit: { maxBytes, modelBytes: 0 }, largest: STREAMED_PIXELS } as const;
  const modelBytes = bytesOf(model, config.engine);
  const largest = Math.min(STREAMED_PIXELS, wholePixels(maxBytes, modelBytes, inFlight));
  return { limit: { maxBytes, modelBytes }, largest } as const;
}

interface Finished {
  readonly facts: ImageFacts;
  save(): Promise<readonly string[]>;
}

/** What all images of a run have in common. */
interface Common {
  readonly model: CellSegmenter;
  readonly config: SegmentJob;
  readonly boxes: BoxTable | undefined;
  readonly limit: { readonly maxBytes: number | undefined; readonly modelBytes: number };
}

async function one(
  path: string,
  { image, source, close }: OpenedImage,
  { model, config, boxes, limit }: Common,
  context: JobContext,
): Promise<Finished> {
  try {
    const given = boxes?.[basename(path)] ?? boxes?.[path];
    if (boxes !== undefined && given === undefined)
      throw new DataError(`${config.boxes} has no boxes for this image`);
    if (image === undefined) {
      if (given !== undefined)
        throw new OutputError(`${path} is too large for given boxes`, { fix: 'cut it into parts' });
      const target = outputPath(path, 'tiff', config.out);
      const facts = await segmentSlide(source, model, { path, target, save: config.save, limit }, context);
      return { facts, save: async () => [target] };
    }
    const signal = context.signal === undefined ? {} : { signal: context.signal };
    const own = given === undefined ? {} : { boxes: boxesFrom(given) };
    const onEvent: EventListener = (event) => {
      if (event.kind === 'progress') context.emit({ ...event, detail: basename(path) }); // tiles of a large image
    };
    const cells = await model.segment(image, { onEvent, ...signal, ...own });
    const options = {
      mayOverwrite: config.overwrite,
      ...(config.out === undefined ? {} : { folder: config.out }),
    };
    const input = { cells, image, fileName: basename(path) };
    return { facts: factsOf(cells), save: () => saveOutputs(input, path, config.save, options) };
  } finally {
    await close();
  }
}
