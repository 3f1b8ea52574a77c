import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { maskDecoderForMany } from '../../src/models/sam/maskDecoderForMany.js';
import { densePositions, sparsePrompts } from '../../src/models/sam/promptEncoder.js';
import { disposeShared, type SharedImage, sharedImage } from '../../src/models/sam/sharedImage.js';
import type { Prompt } from '../../src/models/types.js';
import { decodeCompiled } from '../../src/segment/engines/compiledDecoder.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { isNative, tf } from '../../src/tf/index.js';

const tiny = preset('tiny');
const config = {
  ...tiny,
  vit: { ...tiny.vit, imgSize: 64 },
  promptEncoder: { ...tiny.promptEncoder, boxAsMask: false },
};
const model = CellSam.create(config, new Random('compiled'));
afterAll(() => model.dispose());
const side = config.vit.imgSize;
const random = new Random('boxes');
const boxes = Array.from({ length: 16 }, (): [number, number, number, number] => {
  const [x, y] = [random.uniform(0, 40), random.uniform(0, 40)];
  return [x, y, x + random.uniform(5, 20), y + random.uniform(5, 20)];
});

function shareImage(seed: number): SharedImage {
  const embedding = tf.randomNormal([1, 8, 8, 64], 0, 1, 'float32', seed) as tf.Tensor4D;
  const positions = densePositions(8, 8, model.promptEncoder);
  const shared = sharedImage(embedding, positions, model.maskDecoder, config.maskDecoder);
  tf.dispose([embedding, positions]);
  return shared;
}

function sparseOf(n: number): tf.Tensor3D {
  const corners = tf.tensor2d(boxes.slice(0, n).flat(), [n, 4]);
  const sparse = sparsePrompts({ boxes: corners }, { height: side, width: side }, model.promptEncoder);
  corners.dispose();
  return sparse;
}

const plainly = (shared: SharedImage, sparse: tf.Tensor3D) =>
  maskDecoderForMany(shared, sparse, model.maskDecoder, config.maskDecoder);

/** Largest difference of the graph's masks and IoU from the same function's, as a share of the largest value. */
async function apart(n: number, seed: number): Promise<number> {
  const [shared, sparse] = [shareImage(seed), sparseOf(n)];
  const graph = await decodeCompiled(model, shared, sparse);
  if (graph === undefined) throw new Error('no graph was used');
  const far = (a: tf.Tensor, b: tf.Tensor) => a.sub(b).abs().max().div(a.abs().max()).dataSync()[0] as number;
  const largest = tf.tidy(() => {
    const plain = plainly(shared, sparse);
    expect(graph.masks.shape).toEqual(plain.masks.shape);
    expect(graph.iou.shape).toEqual(plain.iou.shape);
    return Math.max(far(plain.masks, graph.masks), far(plain.iou, graph.iou));
  });
  disposeShared(shared);
  tf.dispose([sparse, graph.masks, graph.iou]);
  return largest;
}

const described = isNative() ? describe : describe.skip;
described('the mask decoder as a graph', () => {
  test.each([11, 16])('equals its function for %i boxes, of one image and of another', async (n) => {
    expect(await apart(n, 1)).toBeLessThan(1e-5);
    expect(await apart(n, 2)).toBeLessThan(1e-5);
  });

  test('follows weights that change', async () => {
    const name = 'model.mask_decoder.output_upscaling.0.bias';
    const before = model.parameters.get(name).clone();
    await apart(16, 1);
    model.parameters.assign(name, tf.randomNormal(before.shape, 0, 1, 'float32', 6));
    expect(await apart(16, 1)).toBeLessThan(1e-5);
    model.parameters.assign(name, before);
  });

  test('is for 11 to 16 prompts', async () => {
    const shared = shareImage(1);
    for (const n of [1, 10, 17]) {
      const sparse = tf.zeros([n, 2, 64]) as tf.Tensor3D;
      expect(await decodeCompiled(model, shared, sparse)).toBeUndefined();
    }
    disposeShared(shared);
  });

  test('leaves no tensors and no files behind', async () => {
    const before = tf.memory().numTensors;
    await apart(12, 1);
    expect(tf.memory().numTensors).toBe(before);
    const own = `cellsam-graph-${process.pid}-`;
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith(own))).toEqual([]);
  });
});

test('the engine gives the same masks for boxes together, where the graph is used, and one by one', async () => {
  const engine = new TensorFlowEngine(model);
  const image = Float32Array.from({ length: side * side * 3 }, () => random.normal());
  const embedding = await engine.encode(image, 1);
  const prompts = boxes.map((xyxy): Prompt => ({ kind: 'box', xyxy }));
  for (const n of [16, 12]) {
    const [together] = await engine.decode(embedding, [prompts.slice(0, n)]);
    const size = engine.maskSide ** 2;
    expect(together?.data.length).toBe(n * size);
    expect(together?.quality.length).toBe(n);
    const largest = Math.max(...(together?.data ?? []).map(Math.abs));
    for (let i = 0; i < n; i++) {
      const [alone] = await engine.decode(embedding, [[prompts[i] as Prompt]]);
      expect(alone?.quality[0]).toBeCloseTo(together?.quality[i] as number, 4);
      for (let p = 0; p < size; p++) {
        const difference = (alone?.data[p] as number) - (together?.data[i * size + p] as number);
        if (Math.abs(difference) > 1e-5 * largest)
          throw new Error(`mask ${i} differs at ${p} by ${difference}`);
      }
    }
  }
  engine.release(embedding);
  engine.dispose();
});
