import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import {
  DataError,
  Interrupted,
  OutputError,
  PartialError,
  reasonAndFix,
  SetupError,
  UsageError,
} from '../core/errors.js';
import type { EventListener, JobContext } from '../core/events.js';
import { ensureWritable, removeStaleIn } from '../core/files.js';
import { counted } from '../core/plural.js';
import { imageOptions } from '../data/imageOptions.js';
import { boxesFrom } from '../image/boxes.js';
import { estimateMemory } from '../models/memory.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import { precisions } from '../segment/engines/onnx.js';
import type { OpenedImage } from '../segment/imageFile.js';
import { loadCellSam, openOnnx } from '../segment/loadCellSam.js';
import { parseBytes, wholePixels } from '../segment/memoryPlan.js';
import { segmentOptions } from '../segment/options.js';
import { outputNames, outputPath, saveOutputs } from '../segment/outputs/outputs.js';
import { readAhead } from '../segment/readAhead.js';
import { exportJob, parseExportJob } from './export.js';
import { type BoxTable, listImages, readBoxes, sortOut } from './segmentInputs.js';
import { checkSettings, folderOf, readRecords } from './segmentRecord.js';
import { settingsOf } from './segmentSettings.js';
import { segmentSlide } from './segmentSlide.js';

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
export interface SegmentedImage {
  readonly path: string;
  readonly cells: number;
  readonly files: readonly string[];
}

/** What was done. */
export interface SegmentSummary {
  readonly images: readonly SegmentedImage[];
  /** Images whose outputs were there already, made by the same settings as far as that is known. */
  readonly skipped: readonly string[];
  /** Those of them whose settings are not known: they were made by a version that kept no record. */
  readonly uncompared: readonly string[];
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
  const { paths, masks } = await listImages(config.inputs);
  if (masks.length > 0) context.emit({ kind: 'note', message: leftOutText(masks) });
  const boxes = config.boxes === undefined ? undefined : await readBoxes(config.boxes);
  const settings = await settingsOf(config);
  const records = await readRecords(paths, config.out);
  if (settings !== undefined) await checkSettings(paths, config, records, settings, context.emit);
  const { wanted, skipped, problems } = await sortOut(paths, config);
  const uncompared = skipped.filter(
    (path) =>
      !config.save.every((name) =>
        records.get(folderOf(path, config.out))?.settingsOf(basename(outputPath(path, name, config.out))),
      ),
  );
  for (const { where = '', message } of problems) context.emit({ kind: 'warning', message, where });
  const folders = new Set(wanted.map((path) => folderOf(path, config.out)));
  for (const folder of folders) {
    await ensureWritable(folder);
    await removeStaleIn(folder);
  }
  const images: SegmentedImage[] = [];
  const failed = (path: string, thrown: unknown): void => {
    const message = reasonAndFix(thrown);
    problems.push({ where: path, message });
    context.emit({ kind: 'warning', message, where: path });
  };
  const model = await openModel(config, context);
  const keep = async (path: string, { cells, save }: Finished): Promise<void> => {
    const files = await save();
    if (settings !== undefined)
      await records.get(folderOf(path, config.out))?.add(basename(path), files, settings);
    images.push({ path, cells, files });
  };
  let behind: Promise<void> = Promise.resolve();
  let done = paths.length - wanted.length;
  try {
    model.checkTiles();
    const threads = config.threads ?? (wanted.length < FEW_IMAGES ? 0 : 1);
    const inFlight = Math.min(wanted.length, 2 + Math.max(1, threads));
    const maxBytes = parseBytes(config.maxMemory ?? '');
    const limit = { maxBytes, modelBytes: maxBytes === undefined ? 0 : bytesOf(model, config.engine) };
    const largest =
      limit.maxBytes === undefined
        ? STREAMED_PIXELS
        : Math.min(STREAMED_PIXELS, wholePixels(limit.maxBytes, limit.modelBytes, inFlight));
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
  const summary = { images, skipped, uncompared, seconds: (performance.now() - start) / 1000 };
  if (problems.length === 0) return summary;
  const message =
    problems.length === paths.length
      ? `none of ${paths.length} images could be segmented`
      : `${problems.length} of ${paths.length} images could not be segmented; the rest was done`;
  throw new PartialError(message, { problems, result: summary });
}

/** The live model, or an exported one on ONNX Runtime; a model file is exported for that to a folder that goes at once. */
async function openModel(config: SegmentJob, context: JobContext): Promise<CellSegmenter> {
  const { engine, precision } = config;
  if (engine === 'tensorflow' && precision !== 'float32')
    throw new UsageError('TensorFlow computes in float32; other precisions are for ONNX Runtime', {
      where: '--precision',
      fix: `add --engine onnx`,
    });
  if (engine === 'tensorflow')
    return loadCellSam(config.model, {
      ...config.segment,
      onUnused: (names) => context.emit({ kind: 'note', message: unusedText(names) }),
    });
  if (statSync(config.model, { throwIfNoEntry: false })?.isDirectory())
    return openOnnx(config.model, { ...config.segment, precision });
  const folder = await mkdtemp(join(tmpdir(), 'cellsam-onnx-'));
  try {
    const smaller = precision === 'float32' ? [] : [precision];
    const how = { to: ['onnx'], out: folder, smaller, verify: false };
    await exportJob(parseExportJob({ model: config.model, ...how }), context);
    return await openOnnx(join(folder, 'onnx'), { ...config.segment, precision });
  } finally {
    await rm(folder, { recursive: true });
  }
}

function leftOutText(masks: readonly string[]): string {
  const isOne = masks.length === 1;
  const list = `${masks.slice(0, 3).join(', ')}${masks.length > 3 ? ', ...' : ''}`;
  return `${counted(masks.length, 'file')} ${isOne ? 'looks' : 'look'} like masks of the images beside them and ${isOne ? 'is' : 'are'} left out: ${list}; name files, or a pattern such as *.png, to segment them too`;
}

function unusedText(names: readonly string[]): string {
  return `${names.length} weights of the file are not used: ${names.slice(0, 2).join(', ')}${names.length > 2 ? ', ...' : ''}`;
}

/** What the program and its model take. @throws SetupError where that is not known */
function bytesOf(cells: CellSegmenter, engine: SegmentJob['engine']): number {
  if (engine === 'onnx')
    throw new SetupError('what a model takes on ONNX Runtime is not known', {
      where: '--max-memory',
      fix: 'leave it out, or use --engine tensorflow',
    });
  const prompts = cells.segmenter.options.promptsPerCall;
  return estimateMemory(cells.model.config, { what: 'forward', batchSize: 1, prompts }).total;
}

interface Finished {
  readonly cells: number;
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
      const count = await segmentSlide(source, model, { path, target, save: config.save, limit }, context);
      return { cells: count, save: async () => [target] };
    }
    const signal = context.signal === undefined ? {} : { signal: context.signal };
    const own = given === undefined ? {} : { boxes: boxesFrom(given) };
    const onEvent: EventListener = (event) => {
      if (event.kind === 'progress') context.emit(event); // tiles of a large image
    };
    const cells = await model.segment(image, { onEvent, ...signal, ...own });
    const options = {
      mayOverwrite: config.overwrite,
      ...(config.out === undefined ? {} : { folder: config.out }),
    };
    const input = { cells, image, fileName: basename(path) };
    return { cells: cells.count, save: () => saveOutputs(input, path, config.save, options) };
  } finally {
    await close();
  }
}
