import { afterAll, describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { CellSam } from '../../../src/models/cellsam.js';
import { preset } from '../../../src/models/presets.js';
import { maskDecoderForMany } from '../../../src/models/sam/maskDecoderForMany.js';
import type { PromptTensors } from '../../../src/models/sam/promptEncoder.js';
import { densePositions, noMask, sparsePrompts } from '../../../src/models/sam/promptEncoder.js';
import { disposeShared, sharedImage } from '../../../src/models/sam/sharedImage.js';
import { tf } from '../../../src/tf/index.js';

const tiny = preset('tiny');
const config = { ...tiny, promptEncoder: { ...tiny.promptEncoder, boxAsMask: false } };
const model = CellSam.create(config, new Random('many'));
// Fresh biases are 0 and fresh norms 1: then a bias or a norm that is left out would not be seen.
for (const name of model.parameters.names())
  if (/mask_decoder.*(bias|norm\d?.*weight|upscaling\.1\.weight)$/.test(name)) {
    const { shape } = model.parameters.get(name);
    model.parameters.assign(name, tf.randomNormal(shape, name.endsWith('weight') ? 1 : 0, 0.5, 'float32', 5));
  }
afterAll(() => model.dispose());
const [h, w] = [8, 6];

/** Largest difference from the plain decoder, as a share of the largest value. */
function apart(prompts: PromptTensors): number {
  const embedding = tf.randomNormal([1, h, w, 64], 0, 1, 'float32', 3) as tf.Tensor4D;
  const base = embedding.add(noMask(model.promptEncoder)) as tf.Tensor4D;
  const { maskDecoder, promptEncoder } = model;
  const shared = sharedImage(base, densePositions(h, w, promptEncoder), maskDecoder, config.maskDecoder);
  const sparse = sparsePrompts(prompts, { height: h * 8, width: w * 8 }, promptEncoder);
  const own = maskDecoderForMany(shared, sparse, maskDecoder, config.maskDecoder);
  const plain = model.decode(embedding, prompts);
  expect(own.masks.shape).toEqual(plain.masks.shape);
  const far = (a: tf.Tensor, b: tf.Tensor) => a.sub(b).abs().max().div(a.abs().max()).dataSync()[0] as number;
  return Math.max(far(plain.masks, own.masks), far(plain.iou, own.iou));
}

describe('the decoder for many prompts of one image', () => {
  test.each([1, 2, 5])('equals the plain decoder for %i boxes', (n) => {
    const boxes = tf.randomUniform([n, 4], 0, 40, 'float32', 4) as tf.Tensor2D;
    expect(tf.tidy(() => apart({ boxes }))).toBeLessThan(1e-5);
  });

  test('equals the plain decoder for points', () => {
    const points = tf.randomUniform([3, 2, 2], 0, 40, 'float32', 4) as tf.Tensor3D;
    const pointLabels = tf.tensor2d([1, -1, 1, 0, 0, 1], [3, 2]);
    expect(tf.tidy(() => apart({ points, pointLabels }))).toBeLessThan(1e-5);
  });

  test('leaves no tensors behind', () => {
    const before = tf.memory().numTensors;
    const [embedding, positions] = [tf.ones([1, h, w, 64]), tf.ones([1, h, w, 64])] as tf.Tensor4D[];
    const shared = sharedImage(
      embedding as tf.Tensor4D,
      positions as tf.Tensor4D,
      model.maskDecoder,
      config.maskDecoder,
    );
    const sparse = tf.ones([2, 2, 64]) as tf.Tensor3D;
    const { masks, iou } = maskDecoderForMany(shared, sparse, model.maskDecoder, config.maskDecoder);
    expect(tf.memory().numTensors).toBeGreaterThan(before);
    disposeShared(shared);
    tf.dispose([embedding, positions, sparse, masks, iou] as tf.Tensor[]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
