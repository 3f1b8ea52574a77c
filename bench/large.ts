/**
 * Memory of tiling: a synthetic slide, made tile by tile, segmented tile by tile, its labels streamed into a TIFF.
 *
 *   npm run bench -- large            20,000 x 20,000
 *   npm run bench -- large --quick    4,000 x 4,000
 */
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../src/core/random.js';
import { boxesFrom } from '../src/image/boxes.js';
import type { PixelImage } from '../src/image/types.js';
import { TiffWriter } from '../src/io/tiff/write.js';
import { CellSam } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import { CellSegmenter } from '../src/segment/cellSegmenter.js';
import { segmentLarge, type TileSegmenter } from '../src/segment/large.js';
import type { Tile } from '../src/segment/tiles.js';

const side = process.argv.includes('--quick') ? 4000 : 20000;
const spacing = 40;

/** A disk of its own size in every cell of a lattice. */
async function read({ x0, y0, x1, y1 }: Tile): Promise<PixelImage> {
  const [height, width] = [y1 - y0, x1 - x0];
  const data = new Float32Array(height * width);
  for (let y = y0, i = 0; y < y1; y++) {
    for (let x = x0; x < x1; x++, i++) {
      const [cx, cy] = [Math.floor(x / spacing), Math.floor(y / spacing)];
      const radius = 8 + ((cx * 7 + cy * 13) % 9);
      const far = Math.sqrt(((x % spacing) - spacing / 2) ** 2 + ((y % spacing) - spacing / 2) ** 2);
      data[i] = far < radius ? 200 : (x * 31 + y * 17) % 23;
    }
  }
  return { height, width, channels: ['grey'], data, range: [0, 255] };
}

const model = CellSam.create(preset('tiny'), new Random('large'));
const stored = { box: 0.5, boxShare: 1, meanShare: 0, iou: -10, mask: 0.5 };
const cells = new CellSegmenter(model, { fit: 'pad' }, stored);
/** An untrained detector finds nothing, so every tile is given boxes, and the decoder makes masks of some kind. */
const boxes = boxesFrom(
  Array.from(
    { length: 24 },
    (_, i) =>
      [
        (i % 6) * 160 + 20,
        Math.floor(i / 6) * 240 + 20,
        (i % 6) * 160 + 120,
        Math.floor(i / 6) * 240 + 120,
      ] as const,
  ),
);
const segmenter: TileSegmenter = {
  segment: (image, request) => cells.segmenter.segment(image, { ...request, boxes }),
};
await segmenter.segment(await read({ x0: 0, y0: 0, x1: 1024, y1: 1024 }), {});
const before = process.memoryUsage.rss();
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 50);
const path = join(tmpdir(), `large-${process.pid}.tif`);
const writer = await TiffWriter.create(path, { height: side, width: side, bits: 32, tile: 256 });
const start = performance.now();
const { scores } = await segmentLarge(
  segmenter,
  { height: side, width: side, read },
  async (y0, _rows, rows) => {
    peak = Math.max(peak, process.memoryUsage.rss());
    await writer.writeRows(y0, rows);
  },
  { tile: 1024, overlap: 128 },
);
await writer.close();
clearInterval(watch);
await rm(path);
const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
console.log(
  `${side} x ${side}: ${scores.length} objects, ${((performance.now() - start) / 1000).toFixed(0)} s`,
);
console.log(
  `resident before ${mb(before)} MB, at most ${mb(peak)} MB: ${mb(peak - before)} MB above the model (wanted: at most 2000)`,
);
