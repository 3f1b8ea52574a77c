import { boxesOf, relabel } from '../../../src/image/labels.js';
import type { PixelImage } from '../../../src/image/types.js';
import { Cells } from '../../../src/segment/cells.js';

/** A field with a disk with a hole, a cell inside the hole, a cell at the border, one in two pieces. */
export function field(): { cells: Cells; image: PixelImage } {
  const [height, width] = [40, 52];
  const ids = new Uint32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const r = Math.hypot(x - 15, y - 16);
      const i = y * width + x;
      if (r < 12 && r > 6) ids[i] = 1;
      else if (r < 3) ids[i] = 2;
      else if (x > 40 && y < 9) ids[i] = 3;
      else if ((x >= 35 && x < 39 && y >= 20 && y < 26) || (x >= 39 && x < 43 && y >= 26 && y < 30))
        ids[i] = 4;
    }
  }
  const { labels } = relabel(ids, height, width);
  const data = Float32Array.from({ length: height * width * 2 }, (_, i) => (i * 37) % 251);
  const image = { height, width, channels: ['nuclear', 'whole-cell'], data, range: [0, 255] as const };
  const scores = Float32Array.of(0.9, 0.8, 0.7, 0.6);
  return { cells: new Cells({ labels, boxes: boxesOf(labels), scores, pixelSizeUm: [0.5, 0.25] }), image };
}

/** The same field without cells. */
export function emptyField(): { cells: Cells; image: PixelImage } {
  const { image } = field();
  const { labels } = relabel(new Uint32Array(40 * 52), 40, 52);
  return { cells: new Cells({ labels, boxes: boxesOf(labels), scores: new Float32Array(0) }), image };
}
