import { afterEach, describe, expect, test } from '@jest/globals';
import { capture, graphOf } from '../../src/graph/capture.js';
import { compiled } from '../../src/graph/compiled.js';
import { affine, gradientsApart, isNative, layerNorm, product, tf } from '../../src/tf/index.js';

const described = isNative() ? describe : describe.skip;
const far = (a: tf.Tensor, b: tf.Tensor): number =>
  tf.tidy(() => a.sub(b).abs().max().dataSync()[0] as number);

let mine: tf.Tensor[] = [];
const normal = <R extends tf.Rank>(...shape: number[]): tf.Tensor<R> => {
  const x = tf.randomNormal(shape, 0, 1, 'float32', mine.length + 1);
  mine.push(x);
  return x as tf.Tensor<R>;
};
afterEach(() => {
  tf.dispose(mine);
  mine = [];
});

/** What the graph of `f` gives for other inputs, and what `f` itself does. */
async function both(
  f: (inputs: Readonly<Record<string, tf.Tensor>>) => Record<string, tf.Tensor>,
  examples: Record<string, tf.Tensor>,
  others: Record<string, tf.Tensor>,
) {
  const made = await compiled(f, examples);
  if (made === undefined) throw new Error('no graph was made');
  const [graph, plain] = [made.run(others), tf.tidy(() => f(others))];
  mine.push(...Object.values(graph), ...Object.values(plain));
  return { graph, plain };
}

described('a graph of operations as TensorFlow executed them', () => {
  test('equals the function for other inputs: kernels by name, cuts, masks, several results', async () => {
    const f = ({ x, w, b }: Readonly<Record<string, tf.Tensor>>) => {
      const y = layerNorm(affine(x as tf.Tensor, w as tf.Tensor2D, b), b as tf.Tensor, b as tf.Tensor, 1e-5);
      const [left, right] = tf.split(y, [3, 2], 1) as [tf.Tensor, tf.Tensor];
      const positive = tf.where(left.greater(0), left, tf.zerosLike(left));
      return {
        product: product(positive, right, { a: true }),
        tall: y.expandDims(1).tile([1, 2, 1]).transpose(),
      };
    };
    const inputs = () => ({ x: normal(4, 3), w: normal(3, 5), b: normal(5) });
    const { graph, plain } = await both(f, inputs(), inputs());
    expect(Object.keys(graph).sort()).toEqual(['product', 'tall']);
    for (const name of ['product', 'tall'] as const) {
      expect(graph[name]?.shape).toEqual(plain[name]?.shape);
      expect(far(graph[name] as tf.Tensor, plain[name] as tf.Tensor)).toBeLessThan(1e-6);
    }
  });

  test('holds gradients', async () => {
    const f = ({ x, w, dy }: Readonly<Record<string, tf.Tensor>>) => {
      const grads = gradientsApart(
        () => [affine(x as tf.Tensor, w as tf.Tensor2D).square()],
        () => [x as tf.Tensor, w as tf.Tensor],
        () => [dy as tf.Tensor],
      );
      return { x: grads[0] as tf.Tensor, w: grads[1] as tf.Tensor };
    };
    const inputs = () => ({ x: normal(4, 3), w: normal(3, 5), dy: normal(4, 5) });
    const { graph, plain } = await both(f, inputs(), inputs());
    for (const name of ['x', 'w'] as const)
      expect(far(graph[name] as tf.Tensor, plain[name] as tf.Tensor)).toBeLessThan(1e-5);
  });

  test('may give out an input, and one result twice', async () => {
    const f = ({ x }: Readonly<Record<string, tf.Tensor>>) => {
      const y = (x as tf.Tensor).mul(2);
      return { same: x as tf.Tensor, y, again: y };
    };
    const { graph, plain } = await both(f, { x: normal(3) }, { x: normal(3) });
    for (const name of Object.keys(plain))
      expect(far(graph[name] as tf.Tensor, plain[name] as tf.Tensor)).toBe(0);
  });

  test('two inputs of one tensor stay two', async () => {
    const x = normal(3);
    const f = ({ a, b }: Readonly<Record<string, tf.Tensor>>) => ({
      y: (a as tf.Tensor).sub(b as tf.Tensor),
    });
    const { graph, plain } = await both(f, { a: x, b: x }, { a: x, b: normal(3) });
    expect(far(graph['y'] as tf.Tensor, plain['y'] as tf.Tensor)).toBe(0);
  });

  test('what it cannot hold is refused, and the backend is as before', () => {
    const [x, foreign] = [normal(2), normal(2)];
    const whole = (f: (x: tf.Tensor) => tf.Tensor) =>
      capture((own) => {
        const input = own.input(x);
        const y = own.valueFor(f(input));
        return graphOf(own.operations, { x: own.valueFor(input) }, { y });
      });
    expect(() => whole((own) => own.add(foreign))).toThrow(/a tensor \[2\] is used that is no input/);
    expect(() => whole((own) => own.add(own.sum().dataSync()[0] as number))).toThrow(/is read on the host/);
    expect(() => whole((own) => own.sum().add(tf.ones([2 ** 20 + 1])))).toThrow(/constant .* is too large/);
    const before = tf.memory().numTensors;
    expect(whole((own) => own.add(1)).graph.nodes.map(({ op }) => op)).toEqual([
      'Placeholder',
      'Const',
      'Add',
    ]);
    expect(tf.memory().numTensors).toBe(before);
    expect(Object.keys(tf.backend())).not.toContain('executeSingleOutput');
  });
});

described('gradients apart', () => {
  test('a fault inside leaves no tensors and no tape behind', () => {
    const x = normal(3);
    const before = tf.memory().numTensors;
    const fault = () =>
      tf.tidy(() =>
        gradientsApart(
          () => {
            x.square().exp();
            throw new Error('half way');
          },
          () => [x],
          () => [],
        ),
      );
    expect(fault).toThrow('half way');
    expect(tf.memory().numTensors).toBe(before);
    const slope = tf.grad((y: tf.Tensor) => y.square())(x);
    mine.push(slope);
    expect(
      far(
        slope,
        tf.tidy(() => x.mul(2)),
      ),
    ).toBe(0);
  });
});
