import { parseOptions } from '../config/arguments.js';
import { DataError, throwIfAborted } from '../core/errors.js';
import { type EventListener, silent } from '../core/events.js';
import { boxAt, scaleBoxes, takeBoxes } from '../image/boxes.js';
import { brightCells, hasBrightStain, inGrey, stainToGrey } from '../image/channels.js';
import { boxesOf } from '../image/labels.js';
import type { Boxes, LabelImage, PixelImage } from '../image/types.js';
import type { Prompt } from '../models/types.js';
import { Cells, type CellsParts } from './cells.js';
import { clean, removeBoundaries } from './clean.js';
import { Drawing } from './drawing.js';
import type { Embedding, Engine } from './engine.js';
import { type SegmentOptions, segmentOptions } from './options.js';
import { type Fit, type Frame, frameOf, type Stretch, stretchOf } from './preprocess.js';
import { smoothCells } from './smooth.js';
import { boxThreshold, type Thresholds, thresholdSets } from './thresholds.js';
import type { ImageSource, Tile } from './tiles.js';

export interface SegmentRequest {
  /** Given boxes in pixels of the image; the detector is not run. */
  readonly boxes?: Boxes;
  /** Given prompts in pixels of the image (mask prompts: of the model's frame); the detector is not run. */
  readonly prompts?: readonly Prompt[];
  /** Values to stretch each channel by, where this is a part of a larger image. */
  readonly stretch?: Stretch;
  /** Magnification for models that keep the pixels' size; 1 when absent. */
  readonly zoom?: number;
  /** Replaces the box threshold, before the scores of the image move it. */
  readonly boxThreshold?: number;
  /** What a score must exceed, where this is a part of a larger image: its own scores move nothing then. */
  readonly scoreLimit?: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: EventListener;
}

/** From one image to its cells: encode once, detect, decode all prompts against the same embedding, merge, clean. */
export class Segmenter {
  readonly engine: Engine;
  readonly options: SegmentOptions;
  readonly thresholds: Thresholds;

  /** @param stored thresholds that came with the model */
  constructor(engine: Engine, options: Partial<SegmentOptions> = {}, stored?: Thresholds) {
    this.engine = engine;
    this.options = parseOptions(segmentOptions, options, 'the segmenter');
    const { thresholds, boxThreshold: box } = this.options;
    const set = thresholds === 'model' ? (stored ?? thresholdSets.paper) : thresholdSets[thresholds];
    this.thresholds = box === undefined ? set : { ...set, box, boxShare: 1, meanShare: 0 };
  }

  /** How images come into the frame. */
  get fit(): Fit {
    const { fit } = this.options;
    if (fit !== 'auto') return fit;
    if (this.engine.scaling === 'published') return 'stretch';
    return this.engine.hasDynamicThreshold ? 'pad' : 'native';
  }

  /** A whole image as the model was trained to see it: whether its background is bright is decided before it is tiled. */
  asSeen(image: PixelImage): PixelImage {
    return this.fit === 'native' ? brightCells(image).image : this.#tileAsSeen(image);
  }

  /**
   * The same for parts of an image that is too large to hold: what is decided about a whole image is decided about pixels
   * from all over it.
   */
  partsAsSeen(sample: PixelImage): (part: PixelImage) => PixelImage {
    if (this.engine.scaling === 'published') return (part) => part;
    const isTurnedOver = this.fit === 'native' ? brightCells(sample).wasInverted : hasBrightStain(sample);
    return (part) => inGrey(part, isTurnedOver);
  }

  /** The released model was trained on colours as they are. */
  #tileAsSeen(image: PixelImage): PixelImage {
    return this.engine.scaling === 'published' ? image : stainToGrey(image);
  }

  /** @throws Interrupted when the signal is raised; DataError for a box without inside */
  async segment(given: PixelImage, request: SegmentRequest = {}): Promise<Cells> {
    // A tile comes with the whole image's stretch, and whether that image's background is bright was decided before.
    const isWhole = request.stretch === undefined;
    const image = isWhole ? this.asSeen(given) : this.#tileAsSeen(given);
    const emit = request.onEvent ?? silent;
    const timings: Record<string, number> = {};
    const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      throwIfAborted(request.signal);
      const start = performance.now();
      const result = await work();
      timings[name] = (performance.now() - start) / 1000;
      emit({ kind: 'timing', name, seconds: timings[name] });
      return result;
    };
    const frame = await timed('prepare', async () =>
      frameOf(image, request.stretch ?? stretchOf(image), this.engine, this.fit, request.zoom, !isWhole),
    );
    const prompts = givenPrompts(image, frame, request);
    const largest = this.engine.side / Math.max(image.height, image.width);
    const seenAt = this.fit === 'native' ? { zoom: Math.min(request.zoom ?? 1, largest) } : {};
    if (prompts?.length === 0)
      return this.#cells(
        image,
        { labels: emptyLabels(image), scores: new Float32Array(0) },
        { timings, ...seenAt },
      );
    const embedding = await timed('encode', () => this.engine.encode(frame.data, 1, frame.detector));
    try {
      const { boxThreshold, found }: Found =
        prompts === undefined
          ? await timed('detect', () => this.#found(embedding, frame, request))
          : { found: prompts };
      const drawn = await timed('decode', () => this.#draw(image, frame, embedding, found, request.signal));
      return this.#cells(image, drawn, {
        timings,
        ...seenAt,
        ...(boxThreshold === undefined ? {} : { boxThreshold }),
      });
    } finally {
      this.engine.release(embedding);
    }
  }

  /** The detector's boxes above the threshold that start inside the content. */
  async #found(embedding: Embedding, frame: Frame, request: SegmentRequest): Promise<Found> {
    const [detection] = await this.engine.detect(embedding, this.thresholds.sameCell);
    if (detection === undefined) return { found: [] };
    const { scores, boxes } = detection;
    const limit = request.scoreLimit ?? this.#limit(scores, request.boxThreshold);
    const kept: number[] = [];
    for (let i = 0; i < boxes.count; i++) {
      const [x0, y0, x1, y1] = boxAt(boxes, i);
      const isContent = x0 < frame.input[1] && y0 < frame.input[0] && x1 > x0 && y1 > y0;
      if ((scores[i] as number) > limit && isContent) kept.push(i);
    }
    const chosen = takeBoxes(boxes, kept);
    const found = kept.map((index, i) => ({
      prompt: { kind: 'box' as const, xyxy: boxAt(chosen, i) },
      score: scores[index] as number,
    }));
    return { boxThreshold: limit, found };
  }

  #limit(scores: ArrayLike<number>, box = this.thresholds.box): number {
    return this.engine.hasDynamicThreshold ? boxThreshold(scores, { ...this.thresholds, box }) : box;
  }

  /**
   * What scores must exceed in all tiles of an image: where the threshold follows the scores, from those of some tiles
   * together, so that sensitivity does not jump from tile to tile.
   */
  async scoreLimit(source: ImageSource, tiles: readonly Tile[], request: SegmentRequest): Promise<number> {
    const { engine, fit, thresholds } = this;
    if (!engine.hasDynamicThreshold || thresholds.meanShare === 0)
      return this.#limit([], request.boxThreshold);
    const all: number[] = [];
    for (const tile of tiles) {
      throwIfAborted(request.signal);
      const part = this.#tileAsSeen(await source.read(tile));
      const frame = frameOf(part, request.stretch ?? stretchOf(part), engine, fit, request.zoom, true);
      const embedding = await engine.encode(frame.data, 1, frame.detector);
      const [detection] = await engine.detect(embedding, thresholds.sameCell);
      engine.release(embedding);
      for (const score of detection?.scores ?? []) all.push(score);
    }
    return this.#limit(all, request.boxThreshold);
  }

  /** Decodes in batches and draws every mask whose predicted IoU suffices. */
  async #draw(
    image: PixelImage,
    frame: Frame,
    embedding: Embedding,
    prompts: readonly ScoredPrompt[],
    signal: AbortSignal | undefined,
  ): Promise<DrawnCells> {
    const { side, maskSide } = this.engine;
    const original = [image.height, image.width] as const;
    const geometry = { side: maskSide, frame: [side, side] as const, input: frame.input, original };
    const drawing = new Drawing(geometry, this.thresholds.mask);
    const scores: number[] = [];
    const { promptsPerCall } = this.options;
    try {
      for (let at = 0; at < prompts.length; at += promptsPerCall) {
        throwIfAborted(signal);
        const part = prompts.slice(at, at + promptsPerCall);
        const [masks] = await this.engine.decode(embedding, [part.map(({ prompt }) => prompt)]);
        if (masks === undefined) continue;
        const chosen = [...part.keys()].filter((i) => (masks.quality[i] as number) >= this.thresholds.iou);
        for (const i of chosen) scores.push(part[i]?.score ?? (masks.quality[i] as number));
        await drawing.add(masks, chosen, prompts.length - at);
      }
      return { labels: await drawing.labels(), scores: Float32Array.from(scores) };
    } finally {
      await drawing.close();
    }
  }

  #cells(
    image: PixelImage,
    { labels: rough, scores }: DrawnCells,
    known: Pick<CellsParts, 'timings' | 'zoom' | 'boxThreshold'>,
  ): Cells {
    const { minSize, fillHoles, boundaries, smooth } = this.options;
    const drawn = smooth ? smoothCells(rough) : rough;
    const { labels, ids } = clean(drawn, minSize, fillHoles);
    return new Cells({
      labels: boundaries === 'keep' ? labels : removeBoundaries(labels, boundaries),
      boxes: boxesOf(labels),
      scores: Float32Array.from(ids, (id) => scores[id - 1] as number),
      ...known,
      ...(image.pixelSizeUm === undefined ? {} : { pixelSizeUm: image.pixelSizeUm }),
    });
  }
}

/** Cells as they were drawn, and their scores. */
interface DrawnCells {
  readonly labels: LabelImage;
  readonly scores: Float32Array;
}

interface ScoredPrompt {
  readonly prompt: Prompt;
  /** Absent for given prompts: then the predicted IoU is the score. */
  readonly score?: number;
}

/** What is drawn, and what the scores of detected boxes had to exceed. */
interface Found {
  readonly found: readonly ScoredPrompt[];
  readonly boxThreshold?: number;
}

const emptyLabels = ({ height, width }: PixelImage): LabelImage => ({
  height,
  width,
  data: new Uint32Array(height * width),
  count: 0,
});

/** Boxes and points of the user in pixels of the frame. */
function givenPrompts(image: PixelImage, frame: Frame, request: SegmentRequest): ScoredPrompt[] | undefined {
  if (request.boxes === undefined && request.prompts === undefined) return undefined;
  const [sy, sx] = [frame.input[0] / image.height, frame.input[1] / image.width];
  const out: ScoredPrompt[] = [];
  if (request.boxes !== undefined) {
    for (let i = 0; i < request.boxes.count; i++) checkBox(boxAt(request.boxes, i));
    const boxes = scaleBoxes(request.boxes, sx, sy);
    for (let i = 0; i < boxes.count; i++) out.push({ prompt: { kind: 'box', xyxy: boxAt(boxes, i) } });
  }
  for (const prompt of request.prompts ?? []) {
    if (prompt.kind === 'box') {
      checkBox(prompt.xyxy);
      const [x0, y0, x1, y1] = prompt.xyxy;
      out.push({ prompt: { kind: 'box', xyxy: [x0 * sx, y0 * sy, x1 * sx, y1 * sy] } });
    } else if (prompt.kind === 'points') {
      const xy = prompt.xy.map((v, i) => v * (i % 2 === 0 ? sx : sy));
      out.push({ prompt: { kind: 'points', xy, inside: prompt.inside } });
    } else out.push({ prompt });
  }
  return out;
}

function checkBox([x0, y0, x1, y1]: readonly [number, number, number, number]): void {
  if (x0 < x1 && y0 < y1 && [x0, y0, x1, y1].every(Number.isFinite)) return;
  throw new DataError(`the box ${[x0, y0, x1, y1].join(', ')} has no inside`, {
    fix: 'give x0, y0, x1, y1 in pixels, with x0 < x1 and y0 < y1',
  });
}
