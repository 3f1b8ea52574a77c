import { afterAll, describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { boxAt, boxesFrom } from '../../src/image/boxes.js';
import { relabel } from '../../src/image/labels.js';
import type { PixelImage } from '../../src/image/types.js';
import { CellSam, disposeEncoded } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import type { SegmentOptions } from '../../src/segment/options.js';
import { frameOf, stretchOf } from '../../src/segment/preprocess.js';
import { Segmenter } from '../../src/segment/segmenter.js';
import type { Thresholds } from '../../src/segment/thresholds.js';
import { tf } from '../../src/tf/index.js';
import { twoEncoderConfig } from '../support/tinyModel.js';

const random = new Random('segmenter');
const model = CellSam.create(preset('tiny'), random);
const engine = new TensorFlowEngine(model);

function picture(height: number, width: number): PixelImage {
  const source = random.split('picture');
  const data = Float32Array.from({ length: height * width }, () => source.uniform(0, 4000));
  return { height, width, channels: ['grey'], data, range: [0, 65535] };
}

describe('the segmenter', () => {
  afterAll(() => model.dispose());

  test('given boxes, the cells are the decoder’s masks resized, thresholded and merged', async () => {
    const image = picture(90, 70);
    const boxes = boxesFrom([
      [5, 5, 40, 40],
      [20, 20, 60, 80],
      [1, 50, 30, 88],
    ]);
    const options = { minSize: 0, fillHoles: false, fit: 'pad' } as const;
    const segmenter = new Segmenter(engine, options, {
      box: 0,
      boxShare: 1,
      meanShare: 0,
      iou: -10,
      mask: 0.5,
    });
    const cells = await segmenter.segment(image, { boxes });
    expect([...cells.labels.data]).toEqual([...(await byHand(image, boxes))]);
    expect(cells.scores).toHaveLength(cells.count);
    expect(cells.boxes.count).toBe(cells.count);
  });

  test('no boxes and an all-black image give no cells, and no tensor stays', async () => {
    const before = tf.memory().numTensors;
    const segmenter = new Segmenter(engine, { boxThreshold: 1 });
    const none = await segmenter.segment(picture(30, 40), { boxes: boxesFrom([]) });
    expect([none.count, none.labels.data.length]).toEqual([0, 1200]);
    const black = { ...picture(30, 40), data: new Float32Array(1200) };
    expect((await segmenter.segment(black)).count).toBe(0);
    expect((await segmenter.segment(black, { prompts: pointAndMask() })).labels.data).toHaveLength(1200);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('of two encoders the one for masks is left out where nothing was found', async () => {
    const two = CellSam.create(twoEncoderConfig(), random);
    const encode = two.encodeForMasks.bind(two);
    let calls = 0;
    two.encodeForMasks = (images) => {
      calls++;
      return encode(images);
    };
    const before = tf.memory().numTensors;
    const own = new Segmenter(new TensorFlowEngine(two), { boxThreshold: 1 });
    expect((await own.segment(picture(30, 40))).count).toBe(0);
    expect(calls).toBe(0);
    await own.segment(picture(30, 40), { boxes: boxesFrom([[5, 5, 20, 20]]) });
    expect(calls).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
    two.dispose();
  });

  test('the detector’s path runs to the end and scores fall into 0..1', async () => {
    const stored = { box: 0.06, boxShare: 1, meanShare: 0, iou: -10, mask: 0.5 };
    const cells = await new Segmenter(engine, { minSize: 0 }, stored).segment(picture(64, 64));
    expect(cells.scores.every((s) => s > 0.06 && s <= 1)).toBe(true);
    expect(Object.keys(cells.timings)).toEqual(['prepare', 'encode', 'detect', 'decode']);
  });

  test('a box that is turned round, empty or no number is refused', async () => {
    for (const box of [[30, 5, 10, 20], [5, 5, 5, 20], [0, 0, Number.NaN, 9]] as const) // biome-ignore format: boxes
      await expect(new Segmenter(engine).segment(picture(40, 40), { boxes: boxesFrom([box]) })).rejects.toThrow('has no inside'); // biome-ignore format: one
  });

  test('an abort signal stops it', async () => {
    const signal = AbortSignal.abort();
    await expect(new Segmenter(engine).segment(picture(8, 8), { signal })).rejects.toThrow('stopped');
  });
});

function pointAndMask() {
  return [
    { kind: 'points', xy: Float32Array.of(10, 10, 12, 12), inside: Uint8Array.of(1, 0) },
    { kind: 'points', xy: Float32Array.of(20, 20), inside: Uint8Array.of(1) },
    { kind: 'mask', logits: new Float32Array(engine.maskSide ** 2).fill(1) },
  ] as const;
}

/** TensorFlow's own resizing and one decoder call a box; the highest logit wins. */
async function byHand(image: PixelImage, boxes: ReturnType<typeof boxesFrom>): Promise<Uint32Array> {
  const { side } = engine;
  const frame = frameOf(image, stretchOf(image), engine, 'pad');
  const [h, w] = frame.input;
  const encoded = model.encode(tf.tensor4d(frame.data, [1, side, side, 3]));
  const best = new Float32Array(image.height * image.width);
  const owner = new Uint32Array(best.length);
  for (let i = 0; i < boxes.count; i++) {
    const [x0, y0, x1, y1] = boxAt(boxes, i);
    const box = [
      (x0 * w) / image.width,
      (y0 * h) / image.height,
      (x1 * w) / image.width,
      (y1 * h) / image.height,
    ];
    const logits = tf.tidy(() => {
      const { masks } = model.decode(encoded.embedding, { boxes: tf.tensor2d(box, [1, 4]) });
      const frameLogits = tf.image
        .resizeBilinear(masks, [side, side], false, true)
        .slice([0, 0, 0, 0], [1, h, w, 1]);
      return tf.image
        .resizeBilinear(frameLogits as tf.Tensor4D, [image.height, image.width], false, true)
        .dataSync();
    });
    for (let p = 0; p < best.length; p++) {
      const logit = logits[p] as number;
      if (logit <= 0 || (owner[p] !== 0 && logit <= (best[p] as number))) continue;
      best[p] = logit;
      owner[p] = i + 1;
    }
  }
  disposeEncoded(encoded);
  return relabel(owner, image.height, image.width).labels.data;
}

describe('images for models that keep the pixels’ size', () => {
  test('larger ones are tiled at the model’s side, whatever their number of cells, and user boxes are not', async () => {
    const own = CellSam.create(preset('tiny'), new Random('native'));
    const cells = new CellSegmenter(
      own,
      { minSize: 0 },
      { box: 0.5, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 },
    );
    expect(cells.tilesFor(256, 256)).toBeUndefined();
    expect(cells.tilesFor(300, 40)).toEqual({ tile: 256, overlap: 64 });
    expect(new CellSegmenter(own, { tile: 64, overlap: 32 }).tilesFor(300, 40)).toEqual({
      tile: 64,
      overlap: 32,
    });
    const found = await cells.segment(picture(300, 270));
    expect([found.labels.height, found.labels.width]).toEqual([300, 270]);
    cells.dispose();
  });

  test('tiles that are too small for the model, or share more than half, are refused with the limit', async () => {
    const own = CellSam.create(preset('tiny'), new Random('native'));
    const stored = { box: 0.5, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5, objectSide: 24 };
    const check = (options: Partial<SegmentOptions>, thresholds?: Thresholds) => {
      const cells = new CellSegmenter(own, options, thresholds);
      return (): void => cells.checkTiles();
    };
    expect(check({ tile: 15 })).toThrow('it sees 256 pixels at once');
    expect(check({ tile: 16 })).not.toThrow();
    expect(check({ tile: 47 }, stored)).toThrow('sides of about 24 pixels');
    expect(check({ tile: 48 }, stored)).not.toThrow();
    expect(check({ tile: 64, overlap: 33 })).toThrow('tiles of 64 pixels cannot share 33');
    expect(check({ overlap: 9999 })).toThrow(UsageError);
    expect(check({ overlap: 129, zoom: 1 })).toThrow('tiles of 256 pixels cannot share 129');
    const cells = new CellSegmenter(own, { tile: 3 });
    await expect(cells.segment(picture(60, 60))).rejects.toMatchObject({
      where: '--tile',
      fix: 'give at least 16, or leave it out',
    });
    // Found out only where the tiles are smaller than they could have been.
    expect(() => new CellSegmenter(own, { overlap: 200 }).tilesFor(300, 300)).toThrow('cannot share 200');
    cells.dispose();
  });
});
