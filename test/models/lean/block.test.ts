import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { gradientPlan } from '../../../src/models/gradientPlan.js';
import { leanBlock } from '../../../src/models/lean/block.js';
import { tensorFlowShape } from '../../../src/models/names.js';
import { modelOptions, type VitConfig } from '../../../src/models/options.js';
import { Parameters } from '../../../src/models/parameters.js';
import { imageEncoderSpecs, plainBlock } from '../../../src/models/sam/imageEncoder.js';
import { initialValues } from '../../../src/models/specs.js';
import { tf } from '../../../src/tf/index.js';

const vit = (over: Partial<VitConfig>): VitConfig => ({
  ...modelOptions.shape.vit.parse({
    imgSize: 64,
    patchSize: 8,
    embedDim: 12,
    depth: 1,
    numHeads: 3,
    outChans: 8,
    windowSize: 3,
    globalAttnIndexes: [],
  }),
  ...over,
});

function blockWeights(config: VitConfig): Parameters {
  const parameters = new Parameters();
  const random = new Random('block');
  for (const [name, spec] of imageEncoderSpecs(config, false)) {
    if (!name.startsWith('blocks.0.')) continue;
    const shape = tensorFlowShape(name, spec.shape);
    const noise = Float32Array.from(
      initialValues(spec, random.split(name)),
      (v) => v + random.normal(0, 0.3),
    );
    parameters.add(name.slice('blocks.0.'.length), tf.tensor(noise, shape));
  }
  return parameters;
}

/** Value and gradients of one block, summed with random weights, by name; `x` is the input. */
function differentiate(
  run: (x: tf.Tensor4D) => tf.Tensor4D,
  parameters: Parameters,
  names: readonly string[],
  shape: [number, number, number, number],
): Record<string, Float32Array> {
  const random = new Random('input');
  const draw = () =>
    tf.tensor4d(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal()),
      shape,
    );
  return tf.tidy(() => {
    const input = tf.variable(draw());
    const direction = draw();
    const variables = names.map((name) => (name === 'x' ? input : parameters.get(name)));
    const { value, grads } = tf.variableGrads(() => run(input).mul(direction).sum().asScalar(), variables);
    const results = names.map((name, i) => [
      name,
      (grads[(variables[i] as tf.Variable).name] as tf.Tensor).dataSync(),
    ]);
    input.dispose();
    return Object.fromEntries([['value', value.dataSync()], ...results]) as Record<string, Float32Array>;
  });
}

/** Largest difference, relative to the tensor's largest magnitude. */
function apart(a: Float32Array, b: Float32Array): number {
  const top = Math.max(...b.map(Math.abs), 1e-3);
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)))) / top;
}

describe('a block with its backward pass written out', () => {
  const cases: [string, Partial<VitConfig>, number, [number, number]][] = [
    ['windows with padding on a map that is not square', { windowSize: 3 }, 3, [4, 5]],
    ['global attention, terms folded into the product', {}, 0, [4, 6]],
    ['global attention on 34 x 3 tokens, terms added', { embedDim: 6 }, 0, [34, 3]],
    ['global attention in several chunks', { embedDim: 6 }, 0, [46, 34]],
    ['no relative positions', { useRelPos: false }, 3, [3, 3]],
    ['no bias of queries, keys and values', { qkvBias: false }, 3, [4, 4]],
  ];

  test.each(cases)('equals the differentiated one: %s', (_, over, window, [height, width]) => {
    const config = vit({ ...over, windowSize: window });
    const parameters = blockWeights({ ...config, imgSize: 40 });
    const names = ['x', ...parameters.names()];
    const shape: [number, number, number, number] = [2, height, width, config.embedDim];
    const plain = differentiate((x) => plainBlock(x, parameters, config, window), parameters, names, shape);
    const before = tf.memory().numTensors;
    const lean = parameters.whilePlanned(gradientPlan(parameters.names()), () =>
      differentiate((x) => leanBlock(x, parameters, config, window), parameters, names, shape),
    );
    expect(tf.memory().numTensors).toBe(before);
    const wrong = names.filter(
      (name) => !(apart(lean[name] as Float32Array, plain[name] as Float32Array) < 2e-5),
    );
    expect(wrong).toEqual([]);
    expect(lean['value']?.[0]).toBeCloseTo(plain['value']?.[0] as number, 3);
    parameters.dispose();
  });

  test('gives gradients of those weights only that are trained', () => {
    const config = vit({});
    const parameters = blockWeights(config);
    const trained = ['attn.rel_pos_w', 'attn.proj.weight', 'mlp.lin2.bias', 'norm1.bias'];
    const plain = differentiate(
      (x) => plainBlock(x, parameters, config, 3),
      parameters,
      trained,
      [1, 4, 4, 12],
    );
    const lean = parameters.whilePlanned(gradientPlan(trained), () =>
      differentiate((x) => leanBlock(x, parameters, config, 3), parameters, trained, [1, 4, 4, 12]),
    );
    for (const name of trained)
      expect(apart(lean[name] as Float32Array, plain[name] as Float32Array)).toBeLessThan(2e-5);
    parameters.dispose();
  });
});
