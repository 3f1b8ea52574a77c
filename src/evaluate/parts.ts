import { boxesOf, relabel } from '../image/labels.js';
import type { Boxes, LabelImage, PixelImage } from '../image/types.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import { Cells } from '../segment/cells.js';
import { segmentLarge } from '../segment/large.js';
import { frameOf, stretchOf } from '../segment/preprocess.js';
import type { SegmentRequest } from '../segment/segmenter.js';
import { planTiles, sourceOf, type Tile } from '../segment/tiles.js';

/** Segments one part of an image whose place is known. */
type Visit = (part: PixelImage, tile: Tile, request: SegmentRequest) => Promise<Cells>;

/** Goes over an image as `CellSegmenter.segment` does, whole or in tiles, with `visit` in the place of the network. */
async function visitParts(model: CellSegmenter, given: PixelImage, visit: Visit): Promise<Cells> {
  const image = model.asSeen(given);
  const { height, width } = image;
  const zoom = await model.zoomFor(image);
  const tiles = model.tilesFor(height, width, zoom);
  if (tiles === undefined) return visit(image, { x0: 0, y0: 0, x1: width, y1: height }, { zoom });
  const whole = sourceOf(image);
  let place: Tile | undefined;
  const source = {
    ...whole,
    read: (tile: Tile) => {
      place = tile; // segmentLarge reads a tile, then segments it
      return whole.read(tile);
    },
  };
  const segmenter = { segment: (part: PixelImage, r: SegmentRequest) => visit(part, place as Tile, r) };
  const data = new Uint32Array(height * width);
  const keep = async (y0: number, _height: number, rows: Uint32Array): Promise<void> =>
    data.set(rows, y0 * width);
  const { scores } = await segmentLarge(segmenter, source, keep, { ...tiles, zoom });
  const labels = { height, width, data, count: scores.length };
  return new Cells({ labels, boxes: boxesOf(labels), scores });
}

/** Segments with the boxes of the truth in place of the detector's: how good the masks alone are. */
export function segmentWithTrueBoxes(
  model: CellSegmenter,
  image: PixelImage,
  truth: LabelImage,
): Promise<Cells> {
  return visitParts(model, image, (part, { x0, y0, x1, y1 }, request) => {
    const ids: number[] = [];
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++) ids.push(truth.data[y * truth.width + x] as number);
    const boxes = boxesOf(relabel(ids, y1 - y0, x1 - x0).labels);
    return model.segmenter.segment(part, { ...request, boxes });
  });
}

/**
 * Every box that the detector proposes for an image, in its pixels, before any threshold. Of a tiled image each tile
 * gives the boxes whose centre is nearest to its own.
 */
export async function proposals(
  model: CellSegmenter,
  image: PixelImage,
): Promise<{ readonly boxes: Boxes; readonly scores: Float32Array }> {
  const { engine, fit, thresholds } = model.segmenter;
  const seen = model.asSeen(image);
  const zoom = await model.zoomFor(seen);
  const tiles = model.tilesFor(image.height, image.width, zoom);
  const plan =
    tiles === undefined ? [] : planTiles(image.height, image.width, tiles.tile, tiles.overlap).flat();
  const xyxy: number[] = [];
  const scores: number[] = [];
  await visitParts(model, seen, async (part, tile, request) => {
    const frame = frameOf(part, request.stretch ?? stretchOf(part), engine, fit, request.zoom);
    const [sy, sx] = [frame.input[0] / part.height, frame.input[1] / part.width];
    const embedding = await engine.encode(frame.data, 1, frame.detector);
    const [found] = await engine.detect(embedding, thresholds.sameCell);
    engine.release(embedding);
    for (let i = 0; i < (found?.boxes.count ?? 0); i++) {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = found?.boxes.xyxy.subarray(4 * i, 4 * i + 4) ?? [];
      const isContent = x0 < frame.input[1] && y0 < frame.input[0] && x1 > x0 && y1 > y0;
      const box = [x0 / sx + tile.x0, y0 / sy + tile.y0, x1 / sx + tile.x0, y1 / sy + tile.y0] as const;
      if (!isContent || !isNearest((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, tile, plan)) continue;
      xyxy.push(...box);
      scores.push(found?.scores[i] as number);
    }
    const labels = {
      height: part.height,
      width: part.width,
      data: new Uint32Array(part.height * part.width),
      count: 0,
    };
    return new Cells({ labels, boxes: boxesOf(labels), scores: new Float32Array(0) });
  });
  return {
    boxes: { count: scores.length, xyxy: Float32Array.from(xyxy) },
    scores: Float32Array.from(scores),
  };
}

function isNearest(x: number, y: number, tile: Tile, plan: readonly Tile[]): boolean {
  const away = (t: Tile) => Math.max(Math.abs((t.x0 + t.x1) / 2 - x), Math.abs((t.y0 + t.y1) / 2 - y));
  const nearest = Math.min(...plan.map(away), away(tile));
  const first = plan.find((t) => away(t) === nearest) ?? tile; // of equally near tiles the first
  return first.x0 === tile.x0 && first.y0 === tile.y0;
}
