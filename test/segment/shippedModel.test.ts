import { stat } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { shippedModel } from '../../src/segment/shippedModel.js';

describe('the model that comes with the project', () => {
  test('is small, and loads without being named', async () => {
    expect((await stat(shippedModel)).size).toBeLessThan(25e6);
    const segmenter = await loadCellSam();
    const sizes = segmenter.model.parameters.names().map((n) => segmenter.model.parameters.get(n).size);
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(12e6);
    segmenter.dispose();
  });

  test('finds one cell in a bright disk and none in an empty field', async () => {
    const segmenter = await loadCellSam();
    const field = (isEmpty: boolean) => ({
      height: 128,
      width: 128,
      channels: ['whole-cell'] as const,
      range: [0, 255] as const,
      data: Float32Array.from({ length: 128 * 128 }, (_, i) =>
        !isEmpty && Math.hypot((i % 128) - 64, Math.floor(i / 128) - 64) < 12 ? 200 : 10,
      ),
    });
    expect((await segmenter.segment(field(false))).count).toBe(1);
    expect((await segmenter.segment(field(true))).count).toBe(0);
    segmenter.dispose();
  });
});
