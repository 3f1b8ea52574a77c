import { afterEach, describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { type ModelPart, runPart } from '../../src/models/gradientPlan.js';
import { Parameters, type Weights } from '../../src/models/parameters.js';
import { isNative, noTape, tf } from '../../src/tf/index.js';
import { type Gradients, gradientsOf } from '../../src/train/gradients.js';
import { PartGraphs } from '../../src/train/partGraphs.js';
import { queryConfig } from '../support/tinyModel.js';

const side = 4;
const config = (attentionType: 'RCDA' | 'nn.MultiheadAttention') =>
  queryConfig(attentionType, { depth: 1, encLayers: 2, decLayers: 3 });

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
    { recompute: 'operators', runner: graphs },
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

const warnings: string[] = [];
const newGraphs = () => new PartGraphs((message) => void warnings.push(message));
afterEach(() => expect(warnings.splice(0)).toEqual([]));

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
      const graphs = newGraphs();
      const both = (images: number, seed: number) =>
        apart(gradients(model, names, images, seed), gradients(model, names, images, seed, graphs));
      expect(both(2, 1)).toBeLessThan(1e-3);
      expect(graphs.runs).toBe(0); // recorded
      expect(await graphs.ready()).toBe(true);
      expect(both(2, 1)).toBeLessThan(1e-3);
      const runs = graphs.runs;
      expect(runs).toBeGreaterThan(1);
      expect(both(2, 2)).toBeLessThan(1e-3);
      for (const name of names) {
        const weight = parameters.get(name);
        const other = tf.tidy(() => weight.add(tf.randomNormal(weight.shape, 0, 0.1, 'float32', 5)));
        parameters.assign(name, other);
        other.dispose();
      }
      expect(both(2, 3)).toBeLessThan(1e-3);
      expect(graphs.runs).toBe(3 * runs);
      expect(await graphs.ready()).toBe(false); // nothing new was met
      expect(both(1, 4)).toBeLessThan(1e-3);
      expect(graphs.runs).toBe(3 * runs); // another batch size
      expect(await graphs.ready()).toBe(true);
      expect(both(1, 4)).toBeLessThan(1e-3);
      expect(graphs.runs).toBe(4 * runs);
      graphs.dispose();
      model.dispose();
    },
  );

  test('leave no tensors but the gradients', async () => {
    const model = CellSam.create(config('RCDA'), new Random('model'));
    const names = model.parameters.names().filter((name) => /^cellfinder.*layers/.test(name));
    const graphs = newGraphs();
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

/** A weight `w` and parts of one's own. */
function small() {
  const parameters = new Parameters();
  parameters.add('a.w', tf.tensor1d([1, 2, 3]));
  const graphs = newGraphs();
  /** Gradient of the sum of what the loss gives, for `a.w`. */
  const slope = (loss: (weights: Weights) => tf.Tensor): number[] => {
    const { grads } = gradientsOf(parameters, ['a.w'], () => loss(parameters.scope('a')).sum() as tf.Scalar, {
      recompute: false,
      runner: graphs,
    });
    const numbers = [...(grads.get('a.w')?.dataSync() ?? [])];
    tf.dispose([...grads.values()]);
    return numbers;
  };
  return { graphs, slope };
}

described('parts of any kind', () => {
  const product: ModelPart['f'] = ([u, v]) => [(u as tf.Tensor).mul(v as tf.Tensor)];

  test('one tensor as two inputs, and then two tensors', async () => {
    const { graphs, slope } = small();
    const same = () => slope((w) => runPart('product', [w.get('w'), w.get('w')], w, product)[0] as tf.Tensor);
    const other = () =>
      slope((w) => runPart('product', [w.get('w'), w.get('w').add(1)], w, product)[0] as tf.Tensor);
    expect(same()).toEqual([2, 4, 6]);
    await graphs.ready();
    expect(same()).toEqual([2, 4, 6]);
    expect(other()).toEqual([3, 5, 7]);
    expect(graphs.runs).toBe(2);
    graphs.dispose();
  });

  test('an input that is a weight of the part, and then another', async () => {
    const { graphs, slope } = small();
    const part = (x: (w: Weights) => tf.Tensor) =>
      slope(
        (w) =>
          runPart('with w', [x(w)], w, ([own], at) =>
            product([own as tf.Tensor, at.get('w')], at),
          )[0] as tf.Tensor,
      );
    expect(part((w) => w.get('w').clone())).toEqual([2, 4, 6]);
    await graphs.ready();
    expect(part((w) => w.get('w').mul(10))).toEqual([20, 40, 60]);
    expect(graphs.runs).toBe(1);
    graphs.dispose();
  });

  test('constant and moving inputs, several values of which the loss reads one', async () => {
    const { graphs, slope } = small();
    const f: ModelPart['f'] = ([x], at) => [(x as tf.Tensor).mul(at.get('w')), (x as tf.Tensor).exp()];
    const run = (isConstant: boolean) =>
      slope((w) => {
        const x = isConstant ? tf.tensor1d([5, 6, 7]) : w.get('w').mul(2);
        if (isConstant) w.plan?.()?.constants.add(x);
        return runPart('values', [x], w, f)[0] as tf.Tensor;
      });
    for (const _ of ['recorded', 'as graphs']) {
      expect(run(true)).toEqual([5, 6, 7]);
      expect(run(false)).toEqual([4, 8, 12]);
      await graphs.ready();
    }
    expect(graphs.runs).toBe(2);
    graphs.dispose();
  });

  test('what is constant stays so, so that the next part is the same one from the beginning', async () => {
    const { graphs, slope } = small();
    const run = () =>
      slope((w) => {
        const x = tf.tensor1d([5, 6, 7]);
        w.plan?.()?.constants.add(x);
        const first = runPart('first', [x], w, ([own], at) => {
          const fixed = noTape(() => (own as tf.Tensor).square());
          w.plan?.()?.constants.add(fixed);
          return [(own as tf.Tensor).mul(at.get('w')), fixed];
        });
        return runPart('second', first, w, product)[0] as tf.Tensor;
      });
    expect(run()).toEqual([125, 216, 343]);
    expect(await graphs.ready()).toBe(true);
    expect(run()).toEqual([125, 216, 343]);
    expect(await graphs.ready()).toBe(false);
    expect(graphs.runs).toBe(2);
    graphs.dispose();
  });

  test('what has no gradient is looked at once and not in every step', async () => {
    const { graphs, slope } = small();
    let calls = 0;
    const run = () =>
      slope((w) => {
        const x = tf.tensor1d([5, 6, 7]);
        w.plan?.()?.constants.add(x);
        const [fixed] = runPart('no gradient', [x], w, ([own]) => {
          calls++;
          return [(own as tf.Tensor).square()];
        });
        return w.get('w').mul(fixed as tf.Tensor);
      });
    for (const expected of [2, 3, 4]) {
      expect(run()).toEqual([25, 36, 49]);
      expect(calls).toBe(expected);
      expect(await graphs.ready()).toBe(false);
    }
    graphs.dispose();
  });

  test('what no graph can hold runs plainly, with a warning; so does what is met without a tape', async () => {
    const { graphs, slope } = small();
    const foreign = tf.tensor1d([2, 2, 2]);
    const run = () =>
      slope(
        (w) =>
          runPart('foreign', [w.get('w')], w, ([x]) => product([x as tf.Tensor, foreign], w))[0] as tf.Tensor,
      );
    expect(run()).toEqual([2, 2, 2]);
    expect(warnings.splice(0)).toEqual([
      expect.stringMatching(/cannot run as a graph.*no input of the graph/),
    ]);
    expect(await graphs.ready()).toBe(false);
    expect(run()).toEqual([2, 2, 2]);
    const square = (w: Weights) =>
      runPart('square', [w.get('w')], w, ([x]) => [(x as tf.Tensor).square()])[0] as tf.Tensor;
    const free = () => slope((w) => noTape(() => square(w)).mul(w.get('w')));
    for (const _ of ['first', 'second']) {
      expect(free()).toEqual([1, 4, 9]);
      expect(await graphs.ready()).toBe(false);
    }
    expect(slope(square)).toEqual([2, 4, 6]);
    await graphs.ready();
    expect(slope(square)).toEqual([2, 4, 6]);
    expect(graphs.runs).toBe(1);
    graphs.dispose();
    foreign.dispose();
  });
});
