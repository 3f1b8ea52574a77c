import { OutputError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { removeStale, writeAtomic } from '../core/files.js';
import { TiffWriter } from '../io/tiff/write.js';
import { segmentLarge } from '../segment/large.js';
import type { CellSegmenter } from '../segment/loadCellSam.js';
import type { ImageSource } from '../segment/tiles.js';

/** Where a slide's labels go and how it is cut. */
export interface SlideRequest {
  readonly target: string;
  readonly tile: number;
  readonly overlap: number;
}

/**
 * Segments an image that does not fit into memory: it is read tile by tile, and labels go to a TIFF row of tiles by row of
 * tiles. The file appears under its name when it is whole; what a killed run left of it is removed, and it begins again.
 *
 * @returns number of cells
 */
export async function segmentSlide(
  source: ImageSource,
  model: CellSegmenter,
  { target, ...tiles }: SlideRequest,
  context: JobContext,
): Promise<number> {
  const { height, width, pixelSizeUm } = source;
  let cells = 0;
  await removeStale(target);
  await writeAtomic(target, async (temporary) => {
    const writer = await TiffWriter.create(temporary, { height, width, bits: 32, tile: 256, pixelSizeUm });
    try {
      const signal = context.signal === undefined ? {} : { signal: context.signal };
      const sink = (y0: number, _rows: number, rows: Uint32Array) => writer.writeRows(y0, rows);
      const options = { ...tiles, onEvent: context.emit, ...signal };
      cells = (await segmentLarge(model.segmenter, source, sink, options)).length;
      await writer.close();
    } catch (thrown) {
      await writer.abandon();
      throw thrown;
    }
  });
  return cells;
}

/** @throws OutputError where an output needs all labels of a slide at once */
export function checkSlideOutputs(path: string, save: readonly string[]): void {
  if (save.every((name) => name === 'tiff')) return;
  throw new OutputError(`${path} is too large for any output but tiff`, {
    where: path,
    fix: 'use --save tiff, or allow more memory with --max-memory',
  });
}
