import { DataError, SetupError, UsageError } from '../core/errors.js';
import { boxesFrom } from '../image/boxes.js';
import type { Boxes, PixelImage } from '../image/types.js';
import { CellSam } from '../models/cellsam.js';
import type { Cells } from './cells.js';
import type { Engine } from './engine.js';
import { TensorFlowEngine } from './engines/tensorflow.js';
import { areSmall, GAUGING } from './gauge.js';
import { sampleOf, segmentTiled } from './large.js';
import { enhanced } from './lowContrast.js';
import type { SegmentOptions } from './options.js';
import { stretchOf } from './preprocess.js';
import { Segmenter, type SegmentRequest } from './segmenter.js';
import type { Thresholds } from './thresholds.js';
import { type ImageSource, sourceOf, type Tile } from './tiles.js';
import { gaugeZoom, MOST_ZOOM } from './zoom.js';

/** Images with a longer side are tiled without being asked. */
const LARGE_SIDE = 2048;
/** Side of tiles where none is given. */
const USUAL_TILE = 1024;

/** A tile's content is magnified by this at most to fill the model's frame; smaller tiles would be many and show little. */
const MOST_TILE_ZOOM = 16;

/** Tiles of an image that is not held which are looked at for its magnification; many of a slide are empty. */
const LOOKS = 12;

/** An image that is read in parts, as the model sees it, and how it is cut. */
export interface SourceView {
  readonly source: ImageSource;
  readonly zoom: number;
  readonly tile: number;
  readonly overlap: number;
}

/** A model that is ready to segment. */
export class CellSegmenter {
  readonly #model: CellSam | undefined;
  readonly segmenter: Segmenter;

  /** @param model the live model, or an engine in its place */
  constructor(
    model: CellSam | Engine,
    options: Partial<SegmentOptions> = {},
    stored?: Thresholds,
    engine: Engine = model instanceof CellSam ? new TensorFlowEngine(model) : model,
  ) {
    this.#model = model instanceof CellSam ? model : undefined;
    this.segmenter = new Segmenter(engine, options, stored);
  }

  /** The live model. @throws SetupError where an engine has it in a form of its own */
  get model(): CellSam {
    if (this.#model === undefined)
      throw new SetupError('a model on ONNX Runtime can segment, and nothing else', {
        fix: 'give the model file (`--model`) in place of the exported folder',
      });
    return this.#model;
  }

  /** Side of tiles for an image of this size and what they share, or undefined where it is segmented whole. */
  tilesFor(
    height: number,
    width: number,
    zoom = 1,
  ): { readonly tile: number; readonly overlap: number } | undefined {
    const { options, engine, fit } = this.segmenter;
    const longer = Math.max(height, width);
    const isNative = fit === 'native';
    const native = Math.floor(engine.side / zoom);
    const usual = isNative ? native : longer > LARGE_SIDE ? USUAL_TILE : longer;
    const tile = options.tile > 0 ? Math.min(options.tile, isNative ? native : longer) : usual;
    if (longer <= tile) return undefined;
    return {
      tile,
      overlap:
        options.overlap === undefined ? Math.round(tile / (isNative ? 4 : 8)) : shared(tile, options.overlap),
    };
  }

  /**
   * Looks whether the tiles that were asked for can be right for any image; `segment` and `viewOf` look too.
   *
   * @throws UsageError when they are too small for the model, or share more than half of their side
   */
  checkTiles(): void {
    const { options, engine, thresholds } = this.segmenter;
    const { tile, overlap } = options;
    const cell = 2 * (thresholds.objectSide ?? 0);
    const least = Math.round(Math.max(cell, engine.side / MOST_TILE_ZOOM));
    if (tile > 0 && tile < least)
      throw new UsageError(
        `tiles of ${tile} pixels are too small for this model: ${cell === least ? `its cells have sides of about ${cell / 2} pixels` : `it sees ${engine.side} pixels at once`}`,
        { where: '--tile', fix: `give at least ${least}, or leave it out` },
      );
    if (overlap !== undefined) shared(this.#largestTile(), overlap);
  }

  /** Side of the largest tiles that any image is cut into. */
  #largestTile(): number {
    const { options, engine, fit } = this.segmenter;
    if (options.tile > 0) return options.tile;
    if (options.gaugeCellSize) return GAUGING.tile;
    if (fit !== 'native') return USUAL_TILE;
    return Math.floor(engine.side / (options.zoom === 'auto' ? 1 / MOST_ZOOM : options.zoom));
  }

  /** The image as the model was trained to see it: whether its background is bright is decided before it is tiled. */
  asSeen(image: PixelImage): PixelImage {
    return this.segmenter.asSeen(image);
  }

  /**
   * Segments one image; large ones in tiles.
   *
   * @param request given boxes or prompts, an abort signal, a listener for progress
   * @throws DataError when the image has no pixels, another number of values than its size tells, or one that is not finite
   */
  async segment(
    given: PixelImage,
    request: Omit<SegmentRequest, 'boxes'> & { readonly boxes?: Boxes | readonly Box[] } = {},
  ): Promise<Cells> {
    checkImage(given);
    this.checkTiles();
    const { lowContrast, gaugeCellSize } = this.segmenter.options;
    const clear: ReturnType<typeof enhanced> = lowContrast ? enhanced(given) : { image: given };
    const image = this.asSeen(clear.image);
    const { boxes, ...asked } = request;
    const rest = {
      ...(clear.boxThreshold === undefined ? {} : { boxThreshold: clear.boxThreshold }),
      ...asked,
    };
    if (boxes !== undefined || rest.prompts !== undefined) {
      const prompts = boxes === undefined ? {} : { boxes: isBoxes(boxes) ? boxes : boxesFrom(boxes) };
      return this.segmenter.segment(image, { zoom: 1, ...rest, ...prompts });
    }
    const zoom = rest.zoom ?? (await this.zoomFor(image));
    const tiles = gaugeCellSize ? this.#gaugingTiles(image) : this.tilesFor(image.height, image.width, zoom);
    if (tiles !== undefined) {
      const seenAt = this.segmenter.fit === 'native' ? { zoom } : {};
      const cells = await segmentTiled(this.segmenter, image, { ...tiles, ...rest, ...seenAt });
      if (!gaugeCellSize || areSmall(cells.labels)) return cells;
    }
    return this.segmenter.segment(image, { ...rest, zoom });
  }

  /** The published tiles, unless others are asked for. */
  #gaugingTiles({ height, width }: { readonly height: number; readonly width: number }) {
    const { tile, overlap } = this.segmenter.options;
    const side = tile > 0 ? tile : GAUGING.tile;
    if (Math.max(height, width) <= side) return undefined;
    const usual = Math.min(GAUGING.overlap, half(side));
    return { tile: side, overlap: overlap === undefined ? usual : shared(side, overlap) };
  }

  /** Magnification of a whole image, as `asSeen` gives it: 1 unless the model keeps the pixels' size. */
  async zoomFor(image: PixelImage): Promise<number> {
    const { engine, options, thresholds, fit } = this.segmenter;
    if (fit !== 'native') return 1;
    if (options.zoom !== 'auto') return options.zoom;
    const { objectSide } = thresholds;
    if (objectSide === undefined) return 1;
    return gaugeZoom(engine, sourceOf(image), objectSide, { stretch: stretchOf(image) });
  }

  /**
   * An image that is too large to hold, as the model sees it, and how its tiles are cut and magnified: all decided once,
   * about tiles from all over it. With `gaugeCellSize` the published tiles are taken: such an image is never segmented as a
   * whole.
   */
  async viewOf(source: ImageSource): Promise<SourceView> {
    this.checkTiles();
    const { engine, options, thresholds, fit } = this.segmenter;
    const side = Math.min(engine.side, Math.max(source.height, source.width));
    const asSeen = this.segmenter.partsAsSeen(await sampleOf(source, side));
    const seen = { ...source, read: async (tile: Tile) => asSeen(await source.read(tile)) };
    const { objectSide } = thresholds;
    let zoom = fit === 'native' && options.zoom !== 'auto' ? options.zoom : 1;
    if (fit === 'native' && options.zoom === 'auto' && objectSide !== undefined) {
      const stretch = stretchOf(await sampleOf(seen, side));
      zoom = await gaugeZoom(engine, seen, objectSide, { stretch, tiles: LOOKS });
    }
    const { height, width } = source;
    const tiles = options.gaugeCellSize ? this.#gaugingTiles(source) : this.tilesFor(height, width, zoom);
    return { source: seen, zoom, ...(tiles ?? { tile: Math.max(height, width), overlap: 0 }) };
  }

  dispose(): void {
    this.segmenter.engine.dispose();
    this.#model?.dispose();
  }
}

const half = (tile: number): number => Math.floor(tile / 2);

/** Tiles share at most half of their side: with more, an image would have a tile for every few pixels. @throws UsageError */
function shared(tile: number, overlap: number): number {
  if (overlap <= half(tile)) return overlap;
  throw new UsageError(
    `tiles of ${tile} pixels cannot share ${overlap}: more than half of them is too much`,
    {
      where: '--overlap',
      fix: `give at most ${half(tile)}, or leave it out`,
    },
  );
}

/** What an image must have, told field by field: programs build images by hand, and JavaScript checks nothing. */
function checkImage(given: PixelImage): void {
  const isCount = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
  const wrong = (what: string) =>
    new DataError(`the image ${what}`, {
      fix: "give { height, width, channels: ['nuclear'], data: Float32Array, range: [0, 255] }, or use readImage(path)",
    });
  const { height, width, channels, data, range } = (given ?? {}) as Partial<PixelImage>;
  if (!isCount(height) || !isCount(width)) throw wrong(`has the size ${height} x ${width}`);
  if (!Array.isArray(channels) || channels.length === 0 || channels.some((name) => typeof name !== 'string'))
    throw wrong('has no list of channel names');
  if (!ArrayBuffer.isView(data)) throw wrong('has no typed array of values as `data`');
  const count = (height as number) * (width as number) * channels.length;
  if (data.length !== count)
    throw new DataError(
      `an image of ${height} x ${width} pixels and ${channels.length} channels has ${data.length} values`,
      { fix: 'give height * width * channels.length values, rows first and channels last' },
    );
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new DataError(`the image has the value ${data[at]}, which is not finite`, {
      fix: 'replace NaN and infinite values by numbers',
    });
  const [low, high] = Array.isArray(range) ? range : [];
  if (!Number.isFinite(low) || !Number.isFinite(high) || Number(low) > Number(high))
    throw wrong('has no `range` of the values that it can hold, lowest first');
}

type Box = readonly [x0: number, y0: number, x1: number, y1: number];

function isBoxes(boxes: Boxes | readonly Box[]): boxes is Boxes {
  return !Array.isArray(boxes);
}
