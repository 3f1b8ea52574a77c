import { writeFile } from 'node:fs/promises';
import { outlineMask, overlay } from '../../image/draw.js';
import type { Output } from './output.js';

/** Cell borders white on black. */
export const outlinePng: Output = {
  suffix: '_outlines.png',
  about: 'outlines (PNG, white on black)',
  async write({ cells }, path) {
    const { encode } = await import('fast-png');
    const { height, width } = cells.labels;
    const data = outlineMask(cells.labels).map((v) => v * 255);
    await writeFile(path, encode({ height, width, data, channels: 1, depth: 8 }));
  },
};

/** The image with coloured outlines. */
export const overlayPng: Output = {
  suffix: '_overlay.png',
  about: 'the image with coloured outlines (PNG)',
  async write({ cells, image }, path) {
    const { encode } = await import('fast-png');
    const { height, width } = cells.labels;
    await writeFile(
      path,
      encode({ height, width, data: overlay(image, cells.labels), channels: 3, depth: 8 }),
    );
  },
};
