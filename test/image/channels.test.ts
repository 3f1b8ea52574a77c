import { describe, expect, test } from '@jest/globals';
import { brightCells } from '../../src/image/channels.js';
import type { PixelImage } from '../../src/image/types.js';

const SIDE = 32;
const isCell = (i: number) => Math.hypot((i % SIDE) - 16, Math.floor(i / SIDE) - 16) < 8;

function field(cell: readonly number[], background: readonly number[], range: [number, number]): PixelImage {
  const data = Float32Array.from({ length: SIDE * SIDE * cell.length }, (_, k) => {
    const i = Math.floor(k / cell.length);
    return (isCell(i) ? cell : background)[k % cell.length] as number;
  });
  const channels = cell.length === 3 ? ['red', 'green', 'blue'] : ['whole-cell'];
  return { height: SIDE, width: SIDE, channels, data, range };
}

describe('bright cells', () => {
  const cases: [string, PixelImage, boolean][] = [
    ['fluorescence', field([200], [10], [0, 255]), false],
    ['grey tissue', field([90], [228], [0, 255]), true],
    ['dark cells in the lower part of 16 bits', field([400], [1200], [0, 65535]), true],
    ['stained tissue', field([110, 60, 150], [240, 235, 242], [0, 255]), true],
    ['fluorescence saved as colour', field([0, 0, 220], [0, 0, 12], [0, 255]), false],
  ];
  test.each(cases)('%s', (_, image, wasInverted) => {
    const seen = brightCells(image);
    expect(seen.wasInverted).toBe(wasInverted);
    expect(seen.image.channels).toEqual(['whole-cell']);
    const mean = (wanted: boolean) => {
      const values = [...seen.image.data].filter((_v, i) => isCell(i) === wanted);
      return values.reduce((a, b) => a + b, 0) / values.length;
    };
    expect(mean(true)).toBeGreaterThan(mean(false));
    expect(brightCells(seen.image).wasInverted).toBe(false);
  });

  test('two named channels are left alone', () => {
    const image = { ...field([9], [200], [0, 255]), channels: ['nuclear', 'whole-cell'] };
    expect(brightCells(image).image).toBe(image);
  });
});
