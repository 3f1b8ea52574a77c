import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { modelOptions } from '../../src/models/options.js';
import { isNative, tf } from '../../src/tf/index.js';
import { type Gradients, gradientsOf } from '../../src/train/gradients.js';
import { PartGraphs } from '../../src/train/partGraphs.js';

const side = 4;
const config = (attentionType: 'RCDA' | 'nn.MultiheadAttention') =>
  modelOptions.parse({
    vit: {
      imgSize: 8 * side,
      patchSize: 8,
      embedDim: 12,
      depth: 1,
      numHeads: 2,
      outChans: 8,
      windowSize: 3,
      globalAttnIndexes: [0],
    },
    promptEncoder: { embedDim: 8, maskInChans: 4 },
    maskDecoder: { transformerDim: 8, numHeads: 2, mlpDim: 12, iouHeadHiddenDim: 8 },
    cellfinder: {
      hiddenDim: 8,
      nheads: 2,
      encLayers: 2,
      decLayers: 3,
      dimFeedforward: 12,
      numQueryPosition: 7,
      groupNormGroups: 2,
      attentionType,
    },
  });

/** Gradients of all queries' boxes and logits, for tokens of one's choice. */
function gradients(
  model: CellSam,
  names: readonly string[],
  images: number,
  seed: number,
  graphs?: PartGraphs,
) {
  const tokens = tf.randomNormal([images, side, side, 12], 0, 1, 'float32', seed) as tf.Tensor4D;
  const result = gradientsOf(
    model.parameters,
    names,
    () => {
      model.parameters.plan()?.constants.add(tokens);
      const { boxes, logits } = model.detect({ detectorTokens: tokens }) as unknown as Record<
        string,
        tf.Tensor
      >;
      return tf.addN([boxes, logits].map((x) => (x as tf.Tensor).square().sum())) as tf.Scalar;
    },
    { recompute: 'operators', ...(graphs && { graphs }) },
  );
  tokens.dispose();
  return result;
}

/** Largest difference of any gradient from the other's, as a share of the largest magnitude of that one. */
function apart(a: Gradients, b: Gradients): number {
  expect([...a.grads.keys()].sort()).toEqual([...b.grads.keys()].sort());
  const all = [...a.grads].map(([name, g]) =>
    tf.tidy(() => {
      const top = Math.max(1e-4, g.abs().max().dataSync()[0] as number);
      return ((b.grads.get(name) as tf.Tensor).sub(g).abs().max().dataSync()[0] as number) / top;
    }),
  );
  tf.dispose([...a.grads.values(), ...b.grads.values()]);
  return Math.max(Math.abs(a.loss / b.loss - 1), ...all);
}

const described = isNative() ? describe : describe.skip;
described('parts as graphs', () => {
  test.each([
    ['RCDA', /^cellfinder/],
    ['nn.MultiheadAttention', /^cellfinder/],
    ['RCDA', /decoder_layers\.1|encoder_layers\.1\.ffn|adapt_pos1d/],
  ] as const)(
    '%s, weights %s: the same gradients, for other images and weights too',
    async (type, pattern) => {
      const model = CellSam.create(config(type), new Random('model'));
      const { parameters } = model;
      const names = parameters.names().filter((name) => parameters.get(name).trainable && pattern.test(name));
      const graphs = new PartGraphs();
      const both = (images: number, seed: number) =>
        apart(gradients(model, names, images, seed), gradients(model, names, images, seed, graphs));
      expect(both(2, 1)).toBeLessThan(1e-3); // recorded
      await graphs.ready();
      expect(graphs.size).toBeGreaterThan(1);
      const made = graphs.size;
      expect(both(2, 1)).toBeLessThan(1e-3);
      expect(both(2, 2)).toBeLessThan(1e-3);
      for (const name of names) {
        const weight = parameters.get(name);
        const other = tf.tidy(() => weight.add(tf.randomNormal(weight.shape, 0, 0.1, 'float32', 5)));
        parameters.assign(name, other);
        other.dispose();
      }
      expect(both(2, 3)).toBeLessThan(1e-3);
      await graphs.ready();
      expect(graphs.size).toBe(made); // nothing new was met
      expect(both(1, 4)).toBeLessThan(1e-3); // another batch size
      await graphs.ready();
      expect(graphs.size).toBe(2 * made);
      expect(both(1, 4)).toBeLessThan(1e-3);
      graphs.dispose();
      model.dispose();
    },
  );

  test('leave no tensors but the gradients', async () => {
    const model = CellSam.create(config('RCDA'), new Random('model'));
    const names = model.parameters.names().filter((name) => /^cellfinder.*layers/.test(name));
    const graphs = new PartGraphs();
    for (const _ of ['recorded', 'as graphs']) {
      const before = tf.memory().numTensors;
      const { grads } = gradients(model, names, 1, 1, graphs);
      expect(tf.memory().numTensors - before).toBe(grads.size);
      tf.dispose([...grads.values()]);
      await graphs.ready();
    }
    graphs.dispose();
    model.dispose();
  });
});
