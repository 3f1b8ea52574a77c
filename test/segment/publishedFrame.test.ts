import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { toThreeChannels } from '../../src/image/normalise.js';
import type { PixelImage } from '../../src/image/types.js';
import { CellSam } from '../../src/models/cellsam.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { frameOf, stretchOf } from '../../src/segment/preprocess.js';
import { publishedFrame, threeChannels } from '../../src/segment/publishedFrame.js';
import { tf } from '../../src/tf/index.js';
import { readGolden } from '../support/safetensors.js';
import { describeWithShared } from '../support/shared.js';
import { twoEncoderConfig } from '../support/tinyModel.js';

function pictureOf({ data, shape }: { data: number[]; shape: readonly number[] }): PixelImage {
  const [height = 1, width = 1, count = 1] = shape;
  const channels = Array.from({ length: count }, (_, i) => `channel-${i}`);
  return { height, width, channels, data: Float32Array.from(data), range: [0, 65535] };
}

describeWithShared("CellSAM's own preprocessing", 'golden/preprocess.safetensors', (path) => {
  const golden = path === '' ? () => ({ shape: [], data: [] as number[] }) : readGolden(path);

  test.each(['two_channel_u16', 'rgb_f32', 'tiles_u16'])(
    '%s: from the file’s pixels to both inputs',
    (name) => {
      const image = pictureOf(golden(`pre.${name}.input`));
      expect(threeChannels(image)).toEqual(toThreeChannels(image.data, golden(`pre.${name}.input`).shape));
      const found = publishedFrame(image, 48, 48);
      for (const [kind, values] of Object.entries(found)) {
        const expected = golden(`pre.net.${name}.${kind}.input`).data;
        const pixels = expected.length / 3;
        const differing = expected.filter((v, i) => {
          const own = values[(i % pixels) * 3 + Math.floor(i / pixels)] as number;
          return Math.abs(own - v) > 1e-4;
        });
        // A level of the detector's bytes may fall to the other side of its edge by rounding.
        expect(differing.length).toBeLessThanOrEqual(kind === 'masks' ? 0 : 3);
      }
    },
  );
});

describe('a model with two encoders', () => {
  const config = twoEncoderConfig();
  const random = new Random('two encoders');
  const data = Float32Array.from({ length: 40 * 30 * 2 }, () => random.uniform(0, 4000));
  const image: PixelImage = {
    height: 40,
    width: 30,
    channels: ['nuclear', 'whole-cell'],
    data,
    range: [0, 65535],
  };

  test('each encoder sees its own scaling of the stretched image, and no tensor stays', async () => {
    const model = CellSam.create(config, random);
    const before = tf.memory().numTensors;
    const engine = new TensorFlowEngine(model, 'published');
    const frame = frameOf(image, stretchOf(image), engine, 'stretch');
    const { masks, detector } = publishedFrame(image, 32, 32);
    expect([frame.data, frame.detector]).toEqual([masks, detector]);
    const embedding = await engine.encode(frame.data, 1, frame.detector);
    const [found] = await engine.detect(embedding);
    engine.release(embedding);
    const scores = tf.tidy(() => {
      const input = (values: Float32Array) => tf.tensor4d(values, [1, 32, 32, 3]);
      const output = model.detect(model.encode(input(masks), input(detector)));
      return output.kind === 'queries' ? output.logits.max(-1).sigmoid().dataSync() : [];
    });
    expect([...(found?.scores ?? [])]).toEqual([...scores].sort((a, b) => b - a));
    const cells = new CellSegmenter(model, {}, undefined, engine);
    expect(cells.segmenter.fit).toBe('stretch');
    expect((await cells.segment(image)).labels.data).toHaveLength(1200);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  test('an empty tile of a brighter image stays empty', () => {
    const noise = { ...image, data: image.data.map((v) => v / 4000) };
    const { masks } = publishedFrame(noise, 32, 32, [[0, 4000], [0, 4000]]); // biome-ignore format: pairs
    const { masks: alone } = publishedFrame(noise, 32, 32);
    const spread = (values: Float32Array) => new Set(values).size;
    expect([spread(masks), spread(alone) > 1000]).toEqual([3, true]); // one colour, and noise
  });
});
