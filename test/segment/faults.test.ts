import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { boxesOf, components } from '../../src/image/labels.js';
import type { PixelImage } from '../../src/image/types.js';
import { npyOf } from '../../src/io/npyWrite.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { Cells } from '../../src/segment/cells.js';
import { removeBoundaries } from '../../src/segment/clean.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { openImage } from '../../src/segment/imageFile.js';
import { segmentTiled, type TileSegmenter } from '../../src/segment/large.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { frameOf, stretchOf } from '../../src/segment/preprocess.js';
import { publishedFrame } from '../../src/segment/publishedFrame.js';
import type { SegmentRequest } from '../../src/segment/segmenter.js';
import { boxThreshold, thresholdSets } from '../../src/segment/thresholds.js';
import { planTiles, sourceOf } from '../../src/segment/tiles.js';
import { diskField } from '../support/diskField.js';
import { twoEncoderConfig } from '../support/tinyModel.js';

/** The paper's form of the detector, with queries, and two encoders as released; small. */
const config = twoEncoderConfig();
const released = CellSam.create(config, new Random('released'));
const engine = new TensorFlowEngine(released, 'published');
const small = CellSam.create(preset('tiny'), new Random('small'));
afterAll(() => {
  released.dispose();
  small.dispose();
});

function noise(height: number, width: number, channels = ['grey']): PixelImage {
  const random = new Random(`noise ${height} ${width}`);
  const data = Float32Array.from({ length: height * width * channels.length }, () => random.uniform(0, 200));
  return { height, width, channels, data, range: [0, 255] };
}

/** Finds bright connected parts, and remembers what it was asked. */
function bright(requests: SegmentRequest[] = []): TileSegmenter {
  return {
    async segment(image, request) {
      requests.push(request);
      const isBright = image.data.map((v) => (v > 0.5 ? 1 : 0));
      const labels = components(isBright, image.height, image.width, 4);
      return new Cells({ labels, boxes: boxesOf(labels), scores: new Float32Array(labels.count) });
    },
  };
}

describe('faults of the released pipeline (paper.md 7) that are not repeated: reading', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faults-'));
  });
  afterAll(async () => rm(folder, { recursive: true }));
  const read = async (shape: readonly number[], data: Float32Array) => {
    const path = join(folder, `${shape.join('-')}.npy`);
    await writeFile(path, npyOf(data, shape));
    return (await openImage(path)).image as PixelImage;
  };

  test('2, 3: (H, W) and (H, W, 1) are one channel, and no column is scaled on its own', async () => {
    const rows = Float32Array.from({ length: 40 * 60 }, (_, i) => Math.floor(i / 60) * 6);
    const flat = await read([40, 60], rows);
    expect([flat.height, flat.width, flat.channels.length]).toEqual([40, 60, 1]);
    expect((await read([40, 60, 1], rows)).data).toEqual(flat.data);
    const { masks } = publishedFrame(flat, 40, 60); // the image is the same in every column
    for (let y = 0; y < 40; y++)
      for (const x of [0, 1, 2])
        expect(masks[(y * 60 + x) * 3 + 2]).toBeCloseTo(masks[(y * 60 + 30) * 3 + 2] as number, 5);
  });

  test('12: a small image is not turned because its width is the shortest axis', async () => {
    const image = await read(
      [50, 2, 3],
      Float32Array.from({ length: 300 }, (_, i) => i),
    );
    expect([image.height, image.width, image.channels.length]).toEqual([50, 2, 3]);
  });
});

describe('faults of the released pipeline (paper.md 7) that are not repeated: one image', () => {
  test('4: the box threshold given by the user holds whole, in tiles and with gauging', async () => {
    for (const way of [{}, { tile: 96, overlap: 32 }, { tile: 96, overlap: 32, gaugeCellSize: true }]) {
      const strict = await loadCellSam(undefined, { ...way, zoom: 1, boxThreshold: 1 });
      expect((await strict.segment(diskField(100, 150))).count).toBe(0);
      strict.dispose();
      const lax = await loadCellSam(undefined, { ...way, zoom: 1, boxThreshold: 0.3 });
      expect((await lax.segment(diskField(100, 150))).count).toBe(6);
      lax.dispose();
    }
  });

  test('9: the inner boundary goes on all sides', () => {
    const data = Uint32Array.from({ length: 36 }, (_, i) =>
      i > 6 && i < 29 && i % 6 > 0 && i % 6 < 5 ? 1 : 0,
    );
    const inner = removeBoundaries({ height: 6, width: 6, data, count: 1 }, 'inner').data;
    expect([...inner.keys()].filter((i) => inner[i] === 1)).toEqual([14, 15, 20, 21]);
  });

  test('10: a query is one candidate, whatever its classes', async () => {
    const image = noise(32, 32);
    const { data, detector } = frameOf(image, stretchOf(image), engine, 'stretch');
    const embedding = await engine.encode(data, 1, detector);
    const [found] = await engine.detect(embedding);
    engine.release(embedding);
    expect(found?.scores).toHaveLength(9 * config.cellfinder.numQueryPattern);
  });

  test('11: every image of a batch has its own detections and masks', async () => {
    const images = [noise(32, 32), noise(32, 30)].map(
      (image) => frameOf(image, stretchOf(image), engine, 'stretch').data,
    ) as [Float32Array, Float32Array];
    const both = new Float32Array(2 * images[0].length);
    both.set(images[0]);
    both.set(images[1], images[0].length);
    const prompts = [[{ kind: 'box', xyxy: [2, 3, 20, 22] }]] as const;
    const together = await engine.encode(both, 2);
    const detections = await engine.detect(together);
    const masks = await engine.decode(together, [prompts[0], prompts[0]]);
    engine.release(together);
    for (const [i, image] of images.entries()) {
      const alone = await engine.encode(image, 1);
      const [detection] = await engine.detect(alone);
      const [mask] = await engine.decode(alone, prompts);
      engine.release(alone);
      for (const [k, score] of detection?.scores.entries() ?? [])
        expect(detections[i]?.scores[k]).toBeCloseTo(score, 5);
      const apart = mask?.data.map((v, k) => Math.abs(v - (masks[i]?.data[k] as number))) ?? [];
      expect(Math.max(...apart)).toBeLessThan(1e-4);
    }
  });

  test.each([
    ['black', 0],
    ['of one value', 77],
  ])('16, 16b, 21: an image %s has no cells, whole, in tiles and with gauging', async (_, value) => {
    const image = { ...noise(40, 50), data: new Float32Array(2000).fill(value) };
    for (const way of [
      {},
      { tile: 24, overlap: 8 },
      { gaugeCellSize: true, tile: 24 },
      { lowContrast: true },
    ]) {
      const cells = new CellSegmenter(released, { boxThreshold: 1, ...way }, undefined, engine);
      const { labels, scores } = await cells.segment(image);
      expect([labels.count, labels.data.length, scores.length]).toEqual([0, 2000, 0]);
    }
  });

  test('an image with a value that is no number, or with too few values, is refused with the reason', async () => {
    const cells = new CellSegmenter(small);
    const image = noise(8, 8);
    const odd = { ...image, data: image.data.with(5, Number.NaN) };
    await expect(cells.segment(odd)).rejects.toThrow('the image has the value NaN, which is not finite');
    const short = { ...image, data: image.data.subarray(1) };
    await expect(cells.segment(short)).rejects.toThrow('8 x 8 pixels and 1 channels has 63 values');
    const wrong: [object | null, RegExp][] = [
      [null, /the image has the size undefined x undefined/],
      [{ ...short, channels: 1 }, /has no list of channel names/],
      [{ ...short, data: [1, 2, 3] }, /no typed array of values/],
      [{ ...noise(8, 8), range: 'uint8' }, /no `range` of the values/],
    ];
    for (const [image, what] of wrong) await expect(cells.segment(image as PixelImage)).rejects.toThrow(what);
  });
});

describe('faults of the released pipeline (paper.md 7) that are not repeated: tiles', () => {
  test('5: nothing at one edge is seen at the opposite one', async () => {
    const image = { ...noise(60, 60), data: new Float32Array(3600) };
    for (let y = 10; y < 30; y++) image.data.fill(1, y * 60, y * 60 + 6);
    const { labels } = await segmentTiled(bright(), image, { tile: 24, overlap: 8 });
    expect([...labels.data].map((v) => (v > 0 ? 1 : 0))).toEqual([...image.data]);
    expect(labels.count).toBe(1);
  });

  test('6: brightness is stretched by the whole image in every tile', async () => {
    const image = noise(48, 96);
    for (let i = 0; i < image.data.length; i++) if (i % 96 < 48) (image.data[i] as number) /= 50;
    const requests: SegmentRequest[] = [];
    await segmentTiled(bright(requests), image, { tile: 48, overlap: 8 });
    expect(requests).toHaveLength(3);
    for (const { stretch } of requests) expect(stretch).toEqual(stretchOf(image));
  });

  test('6: the dynamic box threshold is one for all tiles, from scores of several of them', async () => {
    const cells = new CellSegmenter(released, {}, undefined, engine);
    const source = sourceOf(noise(64, 64));
    const tiles = planTiles(64, 64, 32, 0).flat();
    const stretch = stretchOf(noise(64, 64));
    const scores: number[] = [];
    for (const tile of tiles) {
      const frame = frameOf(await source.read(tile), stretch, engine, 'stretch', 1, true);
      const embedding = await engine.encode(frame.data, 1, frame.detector);
      scores.push(...((await engine.detect(embedding))[0]?.scores ?? []));
      engine.release(embedding);
    }
    const limit = await cells.segmenter.scoreLimit(source, tiles, { stretch });
    expect(limit).toBeCloseTo(boxThreshold(scores, thresholdSets.paper), 6);
    expect(limit).not.toBe(thresholdSets.paper.box);
  });

  test('17: what goes wrong in a tile is not taken for a tile without cells', async () => {
    const broken: TileSegmenter = {
      segment: async () => {
        throw new RangeError('a tile failed');
      },
    };
    await expect(segmentTiled(broken, noise(60, 60), { tile: 24, overlap: 8 })).rejects.toThrow(
      'a tile failed',
    );
  });

  test.each([[40, 40], [1, 90], [90, 1], [1, 1]])(
    '22: an image of %i x %i px is segmented, in smaller tiles and with the published ones',
    async (height, width) => {
      for (const way of [{ tile: 30, overlap: 10 }, { gaugeCellSize: true }]) {
        const cells = new CellSegmenter(released, { minSize: 0, ...way }, undefined, engine);
        expect((await cells.segment(noise(height, width))).labels.data).toHaveLength(height * width);
      }
    },
  ); // biome-ignore format: table
});
