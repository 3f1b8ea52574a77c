import { expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { CellSam } from '../../../src/models/cellsam.js';
import { preset } from '../../../src/models/presets.js';
import { maskDecoderTokenSide } from '../../../src/models/sam/maskDecoderTokenSide.js';
import { densePositions, noMask, sparsePrompts } from '../../../src/models/sam/promptEncoder.js';
import { tf } from '../../../src/tf/index.js';

test.each([1, 5])('the token-side form equals the plain decoder for %i prompts, and leaks nothing', (n) => {
  const tiny = preset('tiny');
  const config = { ...tiny, promptEncoder: { ...tiny.promptEncoder, boxAsMask: false } };
  const model = CellSam.create(config, new Random('token side'));
  for (const name of model.parameters.names())
    if (name.endsWith('_proj.bias'))
      model.parameters.assign(name, tf.randomNormal(model.parameters.get(name).shape));
  const before = tf.memory().numTensors;
  const worst = tf.tidy(() => {
    const [h, w] = [8, 6];
    const embedding = tf.randomNormal([1, h, w, 64], 0, 1, 'float32', 3) as tf.Tensor4D;
    const boxes = tf.randomUniform([n, 4], 0, 40, 'float32', 4) as tf.Tensor2D;
    const frame = { height: h * 8, width: w * 8 };
    const plain = model.decode(embedding, { boxes });
    const own = maskDecoderTokenSide(
      embedding.add(noMask(model.promptEncoder)),
      densePositions(h, w, model.promptEncoder),
      sparsePrompts({ boxes }, frame, model.promptEncoder),
      model.maskDecoder,
      model.config.maskDecoder,
    );
    const apart = (a: tf.Tensor, b: tf.Tensor) =>
      a.sub(b).abs().max().div(a.abs().max()).dataSync()[0] as number;
    expect(own.masks.shape).toEqual(plain.masks.shape);
    return Math.max(apart(plain.masks, own.masks), apart(plain.iou, own.iou));
  }) as number;
  expect(worst).toBeLessThan(1e-5);
  expect(tf.memory().numTensors).toBe(before);
  model.dispose();
});
