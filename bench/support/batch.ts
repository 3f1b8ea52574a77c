import { Random } from '../../src/core/random.js';
import type { Batch } from '../../src/data/sample.js';

/** A batch of noise with square objects on a grid, for measuring; every image has the same ones. */
export function squares(images: number, side: number, objects: number): Batch {
  const random = new Random('bench batch');
  const across = Math.ceil(Math.sqrt(objects));
  const cell = Math.floor(side / across);
  const size = Math.max(2, Math.floor(cell * 0.6));
  const data = new Uint32Array(side * side);
  const boxes = new Float32Array(images * objects * 4);
  for (let i = 0; i < objects; i++) {
    const [x, y] = [(i % across) * cell + 1, Math.floor(i / across) * cell + 1];
    for (let row = y; row < y + size; row++) data.fill(i + 1, row * side + x, row * side + x + size);
    for (let b = 0; b < images; b++) boxes.set([x, y, x + size, y + size], 4 * (b * objects + i));
  }
  return {
    ids: Array.from({ length: images }, (_, b) => `squares ${b}`),
    images: Float32Array.from({ length: images * side * side * 3 }, () => random.uniform(-1.7, 1.7)),
    boxes,
    offsets: Int32Array.from({ length: images + 1 }, (_, b) => b * objects),
    sizes: Int32Array.from({ length: 2 * images }, () => side),
    masks: Array.from({ length: images }, () => ({ width: side, height: side, data, count: objects })),
    cursor: { epoch: 0, position: 0, random: [] },
  };
}
