import { afterAll, describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { enhanceLowContrast } from '../../src/image/lowContrast.js';
import { minMax, toThreeChannels } from '../../src/image/normalise.js';
import type { PixelImage } from '../../src/image/types.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { clean } from '../../src/segment/clean.js';
import { areSmall, medianShare } from '../../src/segment/gauge.js';
import { enhanced } from '../../src/segment/lowContrast.js';
import { smoothCells } from '../../src/segment/smooth.js';
import { readGolden } from '../support/safetensors.js';
import { describeWithShared } from '../support/shared.js';

describeWithShared('options that CellSAM offers', 'golden/preprocess.safetensors', (path) => {
  const golden = path === '' ? () => ({ shape: [1, 1], data: [] as number[] }) : readGolden(path);

  test('the median cell as a share of the image is the published one', () => {
    const { shape, data } = golden('post.clean.labels');
    const [height = 0, width = 0] = shape;
    const labels = { height, width, data: Uint32Array.from(data), count: Math.max(...data) };
    expect(medianShare(labels)).toBeCloseTo(golden('post.size.median_share').data[0] ?? 0, 7);
    expect(areSmall(labels)).toBe((golden('post.size.median_share').data[0] ?? 0) < 0.002);
  });

  test.each(['plain', 'low', 'low_narrow'])(
    'contrast %s: enhanced channel by channel, or left alone',
    (name) => {
      const { shape, data } = golden(`pre.contrast.${name}.input`);
      const [height = 0, width = 0] = shape;
      const channels = ['red', 'green', 'blue'];
      const image: PixelImage = { height, width, channels, data: Float32Array.from(data), range: [0, 1] };
      const expected = enhanceLowContrast(minMax(toThreeChannels(image.data, shape)));
      const found = enhanced(image);
      expect(found.boxThreshold).toBe(expected.isLow ? expected.boxThreshold : undefined);
      expect(found.image.data).toEqual(
        expected.isLow ? Float32Array.from(expected.enhanced.data) : image.data,
      );
    },
  );
});

test('no cells and a black image are not small, and have no share', () => {
  const labels = { height: 3, width: 3, data: new Uint32Array(9), count: 0 };
  expect([medianShare(labels), areSmall(labels)]).toEqual([0, false]);
});

describe('in the segmenter', () => {
  const model = CellSam.create(preset('tiny'), new Random('options'));
  afterAll(() => model.dispose());

  const random = new Random('picture');
  const data = Float32Array.from({ length: 90 * 40 }, () => random.uniform(0, 4000));
  const image: PixelImage = { height: 90, width: 40, channels: ['grey'], data, range: [0, 65535] };
  const stored = { box: 0.006, boxShare: 1, meanShare: 0, iou: -10, mask: 0.5, sameCell: 0.01 };
  const plain = { fit: 'pad', minSize: 0, fillHoles: false } as const;

  test('the tiled result is taken for small cells, the whole image’s for others', async () => {
    const segment = (options: object) =>
      new CellSegmenter(model, { ...plain, ...options }, stored).segment(image);
    const tiles = { tile: 64, overlap: 8 };
    const gauged = await segment({ ...tiles, gaugeCellSize: true });
    const { labels } = await segment(tiles);
    const same = areSmall(labels) ? labels : (await segment({})).labels;
    expect(gauged.labels.data).toEqual(same.data);
  });

  test('smoothing comes before small cells are dropped and numbers are given', async () => {
    const boxes = [[5, 5, 30, 40], [10, 50, 35, 80]] as const; // biome-ignore format: pairs
    const segment = (options: object) =>
      new CellSegmenter(model, { ...plain, ...options }, stored).segment(image, { boxes });
    const rough = await segment({});
    const { labels } = clean(smoothCells(rough.labels), 30, false);
    expect((await segment({ smooth: true, minSize: 30 })).labels.data).toEqual(labels.data);
  });
});
