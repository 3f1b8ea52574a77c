import { basename } from 'node:path';
import { DataError, OutputError } from '../core/errors.js';
import type { EventListener, JobContext } from '../core/events.js';
import { writeAtomic } from '../core/files.js';
import { TiffWriter } from '../io/tiff/write.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import { type LargeResult, segmentLarge } from '../segment/large.js';
import { tileWithin } from '../segment/memoryPlan.js';
import type { OutputName } from '../segment/outputs/outputs.js';
import type { ImageSource } from '../segment/tiles.js';
import { asFacts, type ImageFacts } from './segmentFacts.js';

/** Where a slide's labels go, and how much memory all of the program may take. */
export interface SlideRequest {
  readonly path: string;
  readonly target: string;
  readonly save: readonly OutputName[];
  readonly limit: { readonly maxBytes: number | undefined; readonly modelBytes: number };
}

/**
 * Segments an image that does not fit into memory: it is read tile by tile, and labels go to a TIFF row of tiles by row of
 * tiles. The file appears under its name when it is whole; a slide whose run was killed begins again.
 *
 * @throws OutputError, DataError where something is asked for that needs all of the image at once
 */
export async function segmentSlide(
  given: ImageSource,
  model: CellSegmenter,
  { path, target, save, limit }: SlideRequest,
  context: JobContext,
): Promise<ImageFacts> {
  check(path, model, save);
  if (model.segmenter.options.gaugeCellSize) context.emit({ kind: 'note', message: onlyTiled(path) });
  const { source, zoom, tile: usual, overlap } = await model.viewOf(given);
  const { height, width, pixelSizeUm } = source;
  const tile =
    limit.maxBytes === undefined ? usual : tileWithin(limit.maxBytes, limit.modelBytes, width, usual);
  const most = Math.floor(tile / 2);
  if (overlap > most && model.segmenter.options.overlap !== undefined)
    context.emit({
      kind: 'warning',
      message: `--max-memory allows tiles of ${tile} pixels, which share ${most} and not ${overlap}`,
      where: path,
    });
  const areas: number[] = [];
  let found: LargeResult = { scores: new Float32Array(0) };
  const onTile: EventListener = (event) =>
    context.emit(event.kind === 'progress' ? { ...event, detail: basename(path) } : event);
  await writeAtomic(target, async (temporary) => {
    const writer = await TiffWriter.create(temporary, { height, width, bits: 32, tile: 256, pixelSizeUm });
    try {
      const sink = (y0: number, _rows: number, rows: Uint32Array) => {
        for (const label of rows) if (label > 0) areas[label - 1] = (areas[label - 1] ?? 0) + 1;
        return writer.writeRows(y0, rows);
      };
      const options = {
        tile,
        overlap: Math.min(overlap, most),
        zoom,
        onEvent: onTile,
        ...(context.signal === undefined ? {} : { signal: context.signal }),
      };
      found = await segmentLarge(model.segmenter, source, sink, options);
      await writer.close();
    } catch (thrown) {
      await writer.abandon();
      throw thrown;
    }
  });
  const seenAt = model.segmenter.fit === 'native' ? zoom : undefined;
  return asFacts({ areas, scores: found.scores, boxThreshold: found.boxThreshold, zoom: seenAt });
}

const onlyTiled = (path: string): string =>
  `${path} is too large to be segmented as a whole; --gauge-cell-size only chooses its tiles`;

function check(path: string, { segmenter }: CellSegmenter, save: readonly OutputName[]): void {
  if (save.some((name) => name !== 'tiff'))
    throw new OutputError(`${path} is too large for any output but tiff`, {
      where: path,
      fix: 'use --save tiff, or allow more memory with --max-memory',
    });
  if (segmenter.options.lowContrast)
    throw new DataError(`${path} is too large for --low-contrast, which needs the whole image at once`, {
      where: path,
      fix: 'leave it out, or cut the image into parts',
    });
}
