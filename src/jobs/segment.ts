import { readdirSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { z } from 'zod';
import { DataError, Interrupted, OutputError, PartialError, type Problem, reason } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { writeAtomic } from '../core/files.js';
import { boxesFrom } from '../image/boxes.js';
import { TiffWriter } from '../io/tiff/write.js';
import { imageEndings, openImage, readWhole } from '../segment/imageFile.js';
import { segmentLarge } from '../segment/large.js';
import { type CellSegmenter, loadCellSam } from '../segment/loadCellSam.js';
import { segmentOptions } from '../segment/options.js';
import { existingOutputs, outputNames, outputPath, saveOutputs } from '../segment/outputs/outputs.js';
import type { ImageSource } from '../segment/tiles.js';

const outputName = z.enum(outputNames as [(typeof outputNames)[number], ...(typeof outputNames)[number][]]);

export { shippedModel } from '../weights/shippedModel.js';

/** What `cellsam segment` is told. */
export const segmentJob = z.strictObject({
  model: z.string().describe('model file'),
  inputs: z.array(z.string()).min(1).describe('image files, folders, or patterns'),
  out: z.string().optional().describe('folder for the results; beside each image when absent'),
  save: z.array(outputName).min(1).default(['tiff']).describe('which files to write'),
  overwrite: z
    .boolean()
    .default(false)
    .describe('replace files that are there; else such images are skipped'),
  boxes: z
    .string()
    .optional()
    .describe('JSON file: {"<image name>": [[x0, y0, x1, y1], ...]}; no detection then'),
  segment: segmentOptions.prefault({}).describe('how cells are made'),
});

export type SegmentJob = z.infer<typeof segmentJob>;

/** What was done. */
export interface SegmentSummary {
  readonly images: readonly {
    readonly path: string;
    readonly cells: number;
    readonly files: readonly string[];
  }[];
  /** Images whose outputs were there already. */
  readonly skipped: readonly string[];
  readonly seconds: number;
}

/** Images above this many pixels are read and written tile by tile, labels only. */
const streamedPixels = 64e6;

/**
 * Segments all images; a bad one is named and the rest is done.
 *
 * @throws PartialError listing the images that failed
 */
export async function segmentFiles(config: SegmentJob, context: JobContext): Promise<SegmentSummary> {
  const start = performance.now();
  const paths = await listImages(config.inputs, config.out);
  const boxes = config.boxes === undefined ? undefined : await readBoxes(config.boxes);
  const model = await loadCellSam(config.model, config.segment);
  const images: { path: string; cells: number; files: readonly string[] }[] = [];
  const skipped: string[] = [];
  const problems: Problem[] = [];
  let behind: Promise<void> = Promise.resolve();
  let ahead = opened(paths[0]);
  try {
    for (const [i, path] of paths.entries()) {
      const current = ahead;
      ahead = opened(paths[i + 1]);
      try {
        const there = config.overwrite ? [] : await existingOutputs(path, config.save, config.out);
        if (there.length === config.save.length) {
          skipped.push(path);
        } else if (there.length > 0) {
          throw new OutputError(`${there[0]} exists already`, {
            fix: 'add --overwrite, or --out for another folder',
          });
        } else {
          const result = await one(path, await current, model, config, boxes, context);
          await behind;
          behind = result.save().then(
            (files) => void images.push({ path, cells: result.cells, files }),
            (thrown) => void problems.push({ where: path, message: reason(thrown) }),
          );
        }
      } catch (thrown) {
        if (thrown instanceof Interrupted) throw thrown;
        problems.push({ where: path, message: reason(thrown) });
        context.emit({ kind: 'warning', message: reason(thrown), where: path });
      }
      context.emit({
        kind: 'progress',
        done: i + 1,
        total: paths.length,
        unit: 'images',
        detail: basename(path),
      });
    }
  } finally {
    await behind;
    await ahead.catch(() => undefined);
    model.dispose();
  }
  if (problems.length > 0) {
    throw new PartialError(
      `${problems.length} of ${paths.length} images could not be segmented; the rest was done`,
      {
        problems,
      },
    );
  }
  return { images, skipped, seconds: (performance.now() - start) / 1000 };
}

/** Starts reading an image before its turn; a failure is reported in its turn. */
function opened(path: string | undefined): Promise<Opened | undefined> {
  const reading = path === undefined ? Promise.resolve(undefined) : open(path);
  reading.catch(() => undefined);
  return reading;
}

type Opened = { readonly source: ImageSource; readonly image?: Awaited<ReturnType<typeof readWhole>> };

async function open(path: string): Promise<Opened> {
  const source = await openImage(path);
  if (source.height * source.width > streamedPixels) return { source };
  try {
    return { source, image: await readWhole(source) };
  } catch (thrown) {
    throw new DataError(`cannot read ${path}: ${reason(thrown)}`, { where: path, cause: thrown });
  }
}

interface Done {
  readonly cells: number;
  save(): Promise<readonly string[]>;
}

async function one(
  path: string,
  given: Opened | undefined,
  model: CellSegmenter,
  config: SegmentJob,
  boxes: BoxTable | undefined,
  context: JobContext,
): Promise<Done> {
  if (given === undefined) throw new DataError(`${path} was not read`);
  const { image, source } = given;
  if (image === undefined) return streamed(path, source, model, config, context);
  const own = boxes?.[basename(path)] ?? boxes?.[path];
  if (boxes !== undefined && own === undefined)
    throw new DataError(`${config.boxes} has no boxes for this image`);
  const signal = context.signal === undefined ? {} : { signal: context.signal };
  const cells = await model.segment(image, {
    ...signal,
    ...(own === undefined ? {} : { boxes: boxesFrom(own) }),
  });
  const options = {
    mayOverwrite: config.overwrite,
    ...(config.out === undefined ? {} : { folder: config.out }),
  };
  return {
    cells: cells.count,
    save: () => saveOutputs({ cells, image, fileName: basename(path) }, path, config.save, options),
  };
}

/** A slide: labels go to the file row of tiles by row of tiles; other outputs need all labels and are refused. */
async function streamed(
  path: string,
  source: ImageSource,
  model: CellSegmenter,
  config: SegmentJob,
  context: JobContext,
): Promise<Done> {
  if (config.save.some((name) => name !== 'tiff')) {
    throw new OutputError(`${path} is too large for any output but tiff`, {
      where: path,
      fix: 'use --save tiff',
    });
  }
  const { height, width, pixelSizeUm } = source;
  const target = outputPath(path, 'tiff', config.out);
  const tiles = model.tilesFor(height, width) ?? { tile: Math.max(height, width), overlap: 0 };
  let cells = 0;
  await writeAtomic(target, async (temporary) => {
    const writer = await TiffWriter.create(temporary, { height, width, bits: 32, tile: 256, pixelSizeUm });
    try {
      const options = { ...tiles, onEvent: context.emit };
      const signal = context.signal === undefined ? {} : { signal: context.signal };
      const sink = (y0: number, _rows: number, rows: Uint32Array): Promise<void> =>
        writer.writeRows(y0, rows);
      cells = (await segmentLarge(model.segmenter, source, sink, { ...options, ...signal })).length;
      await writer.close();
    } catch (thrown) {
      await writer.abandon();
      throw thrown;
    }
  });
  return { cells, save: async () => [target] };
}

type BoxTable = Readonly<Record<string, readonly (readonly [number, number, number, number])[]>>;

async function readBoxes(path: string): Promise<BoxTable> {
  const row = z.tuple([z.number(), z.number(), z.number(), z.number()]);
  try {
    return z.record(z.string(), z.array(row)).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (thrown) {
    throw new DataError(`${path} does not hold boxes: ${reason(thrown)}`, {
      where: path,
      fix: 'write {"image.tif": [[x0, y0, x1, y1], ...]} in pixels',
    });
  }
}

/** Files as given, images of folders, and matches of patterns; sorted, our own outputs left out. */
async function listImages(inputs: readonly string[], out: string | undefined): Promise<string[]> {
  const found = new Set<string>();
  for (const input of inputs) {
    const kind = statSync(input, { throwIfNoEntry: false });
    if (kind?.isFile()) found.add(input);
    else if (kind?.isDirectory()) for (const name of await readdir(input)) addImage(found, join(input, name));
    else for (const path of matches(input)) addImage(found, path);
  }
  if (found.size === 0) {
    throw new DataError(`no images found in ${inputs.join(', ')}`, {
      fix: `give files, or folders with ${imageEndings.join(' ')}`,
      ...(out === undefined ? {} : { where: inputs[0] as string }),
    });
  }
  return [...found].sort();
}

/** `folder/*.tif`: stars and question marks in the last part, for shells that do not expand them. */
function matches(pattern: string): string[] {
  const folder = dirname(pattern);
  const isFolder = statSync(folder, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isFolder || !/[*?]/.test(basename(pattern))) return [];
  const escaped = basename(pattern).replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const expression = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  return readdirSync(folder)
    .filter((name) => expression.test(name))
    .map((name) => join(folder, name));
}

function addImage(found: Set<string>, path: string): void {
  const isOurs = /_(masks\.tif|outlines\.png|overlay\.png)$/.test(path);
  if (!isOurs && imageEndings.includes(extname(path).toLowerCase())) found.add(path);
}
