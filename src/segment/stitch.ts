import { boxesOf } from '../image/labels.js';
import { overlapTable } from '../image/overlap.js';
import type { LabelImage } from '../image/types.js';
import type { Tile } from './tiles.js';

/** Receives finished rows `[height, width]` from top to bottom. */
export type RowSink = (y0: number, height: number, rows: Uint32Array) => Promise<void>;

/** Objects whose common pixels in the shared region reach this IoU are one object. */
const sameObject = 0.5;

/**
 * Puts tiles' cells together, row of tiles by row of tiles, holding one band of the image. Ids are final once given, so
 * finished rows can be written at once. An object that a tile's inner border cuts is left to the neighbour if the
 * neighbour sees all of it; a larger one is joined with the neighbour's part by IoU within the shared region.
 */
export class Stitcher {
  readonly #height: number;
  readonly #width: number;
  readonly #sink: RowSink;
  readonly #scores: number[] = [];
  readonly #band: { top: number; bottom: number; labels: Uint32Array; seen: Uint8Array };

  constructor(height: number, width: number, sink: RowSink) {
    this.#height = height;
    this.#width = width;
    this.#sink = sink;
    this.#band = { top: 0, bottom: 0, labels: new Uint32Array(0), seen: new Uint8Array(0) };
  }

  /** Score of each object, object i + 1 at index i. */
  get scores(): Float32Array {
    return Float32Array.from(this.#scores);
  }

  /** Starts a row of tiles: rows above it are finished. */
  async startRow(y0: number, y1: number): Promise<void> {
    const band = this.#band;
    await this.#flush(y0);
    const size = (y1 - y0) * this.#width;
    const labels = new Uint32Array(size);
    const seen = new Uint8Array(size);
    labels.set(band.labels);
    seen.set(band.seen);
    this.#band.labels = labels;
    this.#band.seen = seen;
    this.#band.bottom = y1;
  }

  /**
   * Draws one tile's cells into the band.
   *
   * @param overlap pixels that the neighbour is sure to see as well
   */
  add(tile: Tile, labels: LabelImage, scores: Float32Array, overlap: number): void {
    const canvas = this.#window(tile);
    const known = this.#matches(labels, canvas);
    const isLeft = this.#leftToNeighbour(tile, labels, overlap);
    const ids = new Uint32Array(labels.count + 1);
    const { labels: band, seen, top } = this.#band;
    for (let y = tile.y0, i = 0; y < tile.y1; y++) {
      for (let x = tile.x0; x < tile.x1; x++, i++) {
        const at = (y - top) * this.#width + x;
        const label = labels.data[i] as number;
        if (label === 0 || isLeft[label] === 1 || band[at] !== 0) continue;
        const match = known[label] as number;
        if (match !== 0 && seen[at] === 1) continue; // the first tile's outline stands where it saw
        if (ids[label] === 0)
          ids[label] = match !== 0 ? match : this.#scores.push(scores[label - 1] as number);
        band[at] = ids[label] as number;
      }
    }
    for (let y = tile.y0; y < tile.y1; y++) {
      const at = (y - top) * this.#width;
      seen.fill(1, at + tile.x0, at + tile.x1);
    }
  }

  /** Writes the rest. @returns number of objects */
  async finish(): Promise<number> {
    await this.#flush(this.#height);
    return this.#scores.length;
  }

  async #flush(until: number): Promise<void> {
    const band = this.#band;
    const rows = Math.min(until, band.bottom) - band.top;
    if (rows <= 0) return;
    const cut = rows * this.#width;
    await this.#sink(band.top, rows, band.labels.subarray(0, cut));
    band.labels = band.labels.slice(cut);
    band.seen = band.seen.slice(cut);
    band.top += rows;
  }

  /** What lies under the tile already; ids are renumbered by `overlapTable`'s need for a small count, see `ids`. */
  #window(tile: Tile): { labels: LabelImage; ids: number[]; seen: Uint8Array } {
    const { labels: band, seen: all, top } = this.#band;
    const width = tile.x1 - tile.x0;
    const height = tile.y1 - tile.y0;
    const data = new Uint32Array(width * height);
    const seen = new Uint8Array(width * height);
    const ids = [0];
    const rank = new Map<number, number>();
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const at = (y + tile.y0 - top) * this.#width + x + tile.x0;
        seen[i] = all[at] as number;
        const id = band[at] as number;
        if (id === 0) continue;
        let own = rank.get(id);
        if (own === undefined) {
          own = ids.push(id) - 1;
          rank.set(id, own);
        }
        data[i] = own;
      }
    }
    return { labels: { height, width, data, count: ids.length - 1 }, ids, seen };
  }

  /** For each label of the tile the object that it continues, or 0. */
  #matches(labels: LabelImage, canvas: { labels: LabelImage; ids: number[]; seen: Uint8Array }): Uint32Array {
    const shared = { ...labels, data: labels.data.map((v, i) => (canvas.seen[i] === 1 ? v : 0)) };
    const table = overlapTable(shared, canvas.labels);
    const known = new Uint32Array(labels.count + 1);
    const bestIou = new Float64Array(labels.count + 1);
    for (let k = 0; k < table.length; k++) {
      const label = table.first[k] as number;
      const other = table.second[k] as number;
      const common = table.pixels[k] as number;
      const joint =
        (table.firstAreas[label - 1] as number) + (table.secondAreas[other - 1] as number) - common;
      const iou = common / joint;
      if (iou < sameObject || iou <= (bestIou[label] as number)) continue;
      bestIou[label] = iou;
      known[label] = canvas.ids[other] as number;
    }
    return known;
  }

  /** 1 for objects cut by an inner border that lie wholly in the strip which the neighbour sees too. */
  #leftToNeighbour(tile: Tile, labels: LabelImage, overlap: number): Uint8Array {
    const { xyxy } = boxesOf(labels);
    const isLeft = new Uint8Array(labels.count + 1);
    const [w, h] = [tile.x1 - tile.x0, tile.y1 - tile.y0];
    for (let label = 1; label <= labels.count; label++) {
      const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(label * 4 - 4, label * 4);
      const isCutLeft = tile.x0 > 0 && x0 === 0 && x1 < overlap;
      const isCutTop = tile.y0 > 0 && y0 === 0 && y1 < overlap;
      const isCutRight = tile.x1 < this.#width && x1 === w && x0 > w - overlap;
      const isCutBottom = tile.y1 < this.#height && y1 === h && y0 > h - overlap;
      if (isCutLeft || isCutTop || isCutRight || isCutBottom) isLeft[label] = 1;
    }
    return isLeft;
  }
}
