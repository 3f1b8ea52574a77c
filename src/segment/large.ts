import { throwIfAborted } from '../core/errors.js';
import type { EventListener } from '../core/events.js';
import { boxesOf } from '../image/labels.js';
import type { PixelImage } from '../image/types.js';
import { Cells } from './cells.js';
import { stretchOf } from './preprocess.js';
import type { SegmentRequest } from './segmenter.js';
import { type RowSink, Stitcher } from './stitch.js';
import { type ImageSource, planTiles, sourceOf, type Tile } from './tiles.js';

/** Segments one part; a `Segmenter`, or anything of its kind. */
export interface TileSegmenter {
  segment(image: PixelImage, request: SegmentRequest): Promise<Cells>;
  /** What scores must exceed in all tiles, found out from some of them. */
  scoreLimit?(source: ImageSource, tiles: readonly Tile[], request: SegmentRequest): Promise<number>;
}

export interface LargeOptions {
  readonly tile: number;
  readonly overlap: number;
  /** Magnification of every tile; 1 when absent. */
  readonly zoom?: number;
  /** Replaces the box threshold in every tile. */
  readonly boxThreshold?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: EventListener;
}

/** What segmenting in tiles gives besides the labels that went to the sink. */
export interface LargeResult {
  /** Score of each object, object i + 1 at index i. */
  readonly scores: Float32Array;
  /** What the score of a box had to exceed in all tiles; absent where the segmenter has no such limit. */
  readonly boxThreshold?: number;
}

/** Tiles from which the statistics of a large image are taken, spread evenly. */
const sampledTiles = 16;
/** Tiles whose scores set the threshold of all: each costs a pass of the encoder. */
const scoredTiles = 4;

/**
 * Segments an image of any size in tiles; memory holds one row of tiles. Every tile is stretched by the statistics of
 * the whole image, and at the image's border tiles end where the image ends.
 *
 * @param sink is given finished rows
 */
export async function segmentLarge(
  segmenter: TileSegmenter,
  source: ImageSource,
  sink: RowSink,
  options: LargeOptions,
): Promise<LargeResult> {
  const rows = planTiles(source.height, source.width, options.tile, options.overlap);
  const stretch = stretchOf(await sampleOf(source, options.tile));
  const request = {
    stretch,
    ...(options.zoom === undefined ? {} : { zoom: options.zoom }),
    ...(options.boxThreshold === undefined ? {} : { boxThreshold: options.boxThreshold }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const some = spread(rows.flat(), scoredTiles);
  const limit = await segmenter.scoreLimit?.(source, some, request);
  const tileRequest = limit === undefined ? request : { ...request, scoreLimit: limit };
  const stitcher = new Stitcher(source.height, source.width, sink);
  const total = rows.length * (rows[0]?.length ?? 0);
  let done = 0;
  for (const row of rows) {
    const first = row[0];
    if (first === undefined) continue;
    await stitcher.startRow(first.y0, first.y1);
    for (const tile of row) {
      throwIfAborted(options.signal);
      const cells = await segmenter.segment(await source.read(tile), tileRequest);
      stitcher.add(tile, cells.labels, cells.scores, options.overlap);
      options.onEvent?.({ kind: 'progress', done: ++done, total, unit: 'tiles' });
    }
  }
  await stitcher.finish();
  return { scores: stitcher.scores, ...(limit === undefined ? {} : { boxThreshold: limit }) };
}

/** The same for an image in memory, which is as the model sees it: see `CellSegmenter.asSeen`. */
export async function segmentTiled(
  segmenter: TileSegmenter,
  image: PixelImage,
  options: LargeOptions,
): Promise<Cells> {
  const data = new Uint32Array(image.height * image.width);
  const start = performance.now();
  const keep: RowSink = async (y0, _height, rows) => data.set(rows, y0 * image.width);
  const { scores, boxThreshold } = await segmentLarge(segmenter, sourceOf(image), keep, options);
  const labels = { height: image.height, width: image.width, data, count: scores.length };
  return new Cells({
    labels,
    boxes: boxesOf(labels),
    scores,
    timings: { tiles: (performance.now() - start) / 1000 },
    ...(options.zoom === undefined ? {} : { zoom: options.zoom }),
    ...(boxThreshold === undefined ? {} : { boxThreshold }),
    ...(image.pixelSizeUm === undefined ? {} : { pixelSizeUm: image.pixelSizeUm }),
  });
}

/** Pixels from tiles spread over an image, as one row; from all of its tiles where there are few. */
export async function sampleOf(source: ImageSource, tile: number): Promise<PixelImage> {
  const tiles = planTiles(source.height, source.width, tile, 0).flat();
  const parts: PixelImage[] = [];
  for (const part of spread(tiles, sampledTiles)) parts.push(thinned(await source.read(part)));
  const [first] = parts as [PixelImage];
  const data = new Float32Array(parts.reduce((n, p) => n + p.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { ...first, height: 1, width: data.length / first.channels.length, data };
}

/** As many as `count`, evenly taken from the whole list; all of a shorter one. */
function spread<T>(list: readonly T[], count: number): T[] {
  const step = Math.max(1, list.length / count);
  return Array.from(
    { length: Math.min(count, list.length) },
    (_, i) => list[Math.floor((i + 0.5) * step)] as T,
  );
}

/** About 50,000 pixels of an image, evenly taken, as one row. */
function thinned(image: PixelImage): PixelImage {
  const pixels = image.height * image.width;
  const step = Math.max(1, Math.floor(pixels / 50_000));
  const width = Math.ceil(pixels / step);
  const count = image.channels.length;
  const data = new Float32Array(width * count);
  for (let i = 0, k = 0; i < pixels; i += step, k++)
    data.set(image.data.subarray(i * count, (i + 1) * count), k * count);
  return { ...image, height: 1, width, data };
}
