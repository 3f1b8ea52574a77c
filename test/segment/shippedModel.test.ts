import { stat } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { overlapIou, overlapTable } from '../../src/image/overlap.js';
import type { PixelImage } from '../../src/image/types.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { stretchOf } from '../../src/segment/preprocess.js';
import { sourceOf } from '../../src/segment/tiles.js';
import { gaugeZoom, sideFrom, zoomOf } from '../../src/segment/zoom.js';
import { shippedModel } from '../../src/weights/shippedModel.js';
import { diskField } from '../support/diskField.js';

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
    const image = disks(radius);
    const stretch = stretchOf(image);
    const zoom = await gaugeZoom(segmenter.engine, sourceOf(image), objectSide, { stretch });
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

test('3 x 3 copies of a field, in tiles, have in every copy the cells of the field alone', async () => {
  const side = 200;
  const field = diskField(side, side);
  const many = { ...field, height: 3 * side, width: 3 * side, data: new Float32Array(9 * side * side) };
  for (let y = 0; y < 3 * side; y++)
    for (let x = 0; x < 3 * side; x++)
      many.data[y * 3 * side + x] = field.data[(y % side) * side + (x % side)] as number;
  const model = await loadCellSam(undefined, { zoom: 1 });
  const alone = (await model.segment(field)).labels;
  const tiled = (await model.segment(many)).labels;
  model.dispose();
  expect([alone.count, tiled.count]).toEqual([16, 9 * 16]);
  for (let copy = 0; copy < 9; copy++) {
    const [top, left] = [side * Math.floor(copy / 3), side * (copy % 3)];
    const own = Uint32Array.from(
      { length: side * side },
      (_, i) => tiled.data[(top + Math.floor(i / side)) * 3 * side + left + (i % side)] as number,
    );
    const iou = overlapIou(overlapTable(alone, { ...alone, data: own, count: tiled.count }));
    expect(iou.filter((v) => v > 0.8)).toHaveLength(16);
  }
});
