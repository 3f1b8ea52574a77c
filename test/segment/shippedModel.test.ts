import { stat } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import type { PixelImage } from '../../src/image/types.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { gaugeZoom, sideFrom, zoomOf } from '../../src/segment/zoom.js';
import { shippedModel } from '../../src/weights/shippedModel.js';

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

describe('the look that gauges the size of cells', () => {
  const disks = (radius: number): PixelImage => {
    const data = new Float32Array(256 * 256).fill(12);
    for (const [cx, cy] of [64, 128, 192].flatMap((x) => [64, 128, 192].map((y) => [x, y] as const)))
      for (let i = 0; i < data.length; i++)
        if (Math.hypot((i % 256) - cx, Math.floor(i / 256) - cy) < radius) data[i] = 180;
    return { height: 256, width: 256, channels: ['whole-cell'], data, range: [0, 255] };
  };

  test.each([
    [5, 1.5, 3],
    [26, 0.3, 0.95],
  ])('disks of radius %i', async (radius, least, most) => {
    const { model, segmenter } = await loadCellSam();
    const { objectSide = 0 } = segmenter.thresholds;
    const zoom = await gaugeZoom(segmenter.engine, disks(radius), objectSide);
    expect(zoom).toBeGreaterThan(least);
    expect(zoom).toBeLessThanOrEqual(most);
    model.dispose();
  });

  test('looks at sizes that the model knows decide, fragments of large cells do not', () => {
    const large = { zoom: 0.5, side: 24, cover: 0.2 };
    const fragments = { zoom: 2, side: 22, cover: 0.005 };
    expect(sideFrom([large, fragments], 24)).toBeGreaterThan(45);
    const small = { zoom: 2, side: 22, cover: 0.05 };
    const guessed = { zoom: 0.5, side: 8, cover: 0.05 };
    expect(sideFrom([small, guessed], 24)).toBeCloseTo(11, 0);
    expect(sideFrom([{ zoom: 1, side: 0, cover: 0 }], 24)).toBeUndefined();
  });

  test('magnification is bounded, and left out where it would hardly matter', () => {
    expect(zoomOf(24, 24)).toBe(1);
    expect(zoomOf(22, 24)).toBe(1);
    expect(zoomOf(12, 24)).toBe(2);
    expect(zoomOf(2, 24)).toBe(3);
    expect(zoomOf(48, 24)).toBe(0.5);
  });
});
