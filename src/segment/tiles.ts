import type { PixelImage } from '../image/types.js';

/** A part of an image: what is segmented together. Half-open, in pixels; never beyond the image. */
export interface Tile {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** An image that is read in parts. */
export interface ImageSource {
  readonly height: number;
  readonly width: number;
  readonly pixelSizeUm?: readonly [y: number, x: number];
  read(tile: Tile): Promise<PixelImage>;
}

/** Rows of tiles from top to bottom; neighbours share at least `overlap` pixels, and no tile is smaller than the others. */
export function planTiles(height: number, width: number, tile: number, overlap: number): Tile[][] {
  const columns = starts(width, tile, overlap);
  return starts(height, tile, overlap).map((y0) =>
    columns.map((x0) => ({ x0, y0, x1: Math.min(width, x0 + tile), y1: Math.min(height, y0 + tile) })),
  );
}

/** Where tiles start along one side; the last one ends at the border. */
function starts(size: number, tile: number, overlap: number): number[] {
  if (size <= tile) return [0];
  const step = Math.max(1, tile - overlap);
  const count = Math.ceil((size - tile) / step) + 1;
  return Array.from({ length: count }, (_, i) => Math.min(i * step, size - tile));
}

/** An image in memory as a source. */
export function sourceOf(image: PixelImage): ImageSource {
  const { height, width, channels } = image;
  return {
    height,
    width,
    ...(image.pixelSizeUm === undefined ? {} : { pixelSizeUm: image.pixelSizeUm }),
    read: async ({ x0, y0, x1, y1 }) => {
      const count = channels.length;
      const row = (x1 - x0) * count;
      const data = new Float32Array((y1 - y0) * row);
      for (let y = y0; y < y1; y++) {
        const from = (y * width + x0) * count;
        data.set(image.data.subarray(from, from + row), (y - y0) * row);
      }
      return { ...image, height: y1 - y0, width: x1 - x0, data };
    },
  };
}
