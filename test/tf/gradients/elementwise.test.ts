import { describe, expect, test } from '@jest/globals';
import { tf } from '../../../src/tf/index.js';

const PAIRS = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [
    [1, 3],
    [4, 1],
  ],
  [
    [2, 1, 3],
    [1, 5, 3],
  ],
  [[], [2, 2]],
] as const;

describe('gradients of elementwise operations', () => {
  test.each(PAIRS)('of sums, differences and products of %j and %j undo the broadcasting', (left, right) => {
    tf.tidy(() => {
      const [a, b] = [
        tf.randomNormal([...left], 0, 1, 'float32', 1),
        tf.randomNormal([...right], 0, 1, 'float32', 2),
      ];
      const whole = a.add(b).shape;
      const w = tf.randomNormal(whole, 0, 1, 'float32', 3);
      const f = (x: tf.Tensor, y: tf.Tensor) => x.add(y).mul(2).sub(x.mul(y)).sub(y.mul(3)).mul(w).sum();
      const grads = tf.grads((x, y) => f(x as tf.Tensor, y as tf.Tensor))([a, b]);
      // By hand: d/da = w (2 - b), d/db = w (-1 - a), summed to the operand's shape.
      const sums = [w.mul(tf.sub(2, b)), w.mul(tf.sub(-1, a))].map((g, i) =>
        summed(g, [left, right][i] as readonly number[]),
      );
      for (const [i, gradient] of grads.entries()) {
        expect(gradient.shape).toEqual([a, b][i]?.shape);
        expect(
          gradient
            .sub(sums[i] as tf.Tensor)
            .abs()
            .max()
            .dataSync()[0],
        ).toBeLessThan(1e-5);
      }
    });
  });

  test.each([[[0]], [[1, 2]], [[-1]], [[0, 1, 2]]])(
    'of a mean over axes %j gives every number its share',
    (axes) => {
      tf.tidy(() => {
        const x = tf.randomNormal([2, 3, 4], 0, 1, 'float32', 1);
        const count = axes.reduce((n, axis) => n * (x.shape.at(axis) as number), 1);
        const w = tf.randomNormal(x.mean(axes, true).shape, 0, 1, 'float32', 2);
        for (const keeps of [true, false]) {
          const f = (t: tf.Tensor) => t.mean(axes, keeps).reshape(w.shape).mul(w).sum();
          const wanted = tf.onesLike(x).mul(w).div(count);
          expect(tf.grad(f)(x).sub(wanted).abs().max().dataSync()[0]).toBeLessThan(1e-6);
        }
      });
    },
  );

  test('of relu is one where its input is above zero', () => {
    const x = tf.tensor1d([-2, -0.5, 0, 0.5, 2]);
    expect([
      ...tf
        .grad((t) =>
          t
            .relu()
            .mul(tf.tensor1d([1, 2, 3, 4, 5]))
            .sum(),
        )(x)
        .dataSync(),
    ]).toEqual([0, 0, 0, 4, 5]);
  });

  test.each([
    [[3], [2]],
    [
      [2, 3],
      [4, 1],
    ],
    [
      [1, 2, 3],
      [5, 2, 2],
    ],
  ] as const)('of %j tiled %j times sums the copies', (shape, reps) => {
    tf.tidy(() => {
      const x = tf.randomNormal([...shape], 0, 1, 'float32', 1);
      const w = tf.randomNormal(
        shape.map((n, i) => n * (reps[i] as number)),
        0,
        1,
        'float32',
        2,
      );
      const copies = tf.grad((t) =>
        t
          .tile([...reps])
          .mul(w)
          .sum(),
      )(x);
      let sum: tf.Tensor = w;
      for (const [axis, n] of reps.entries()) sum = tf.addN(tf.split(sum, n, axis));
      expect(copies.sub(sum).abs().max().dataSync()[0]).toBeLessThan(1e-5);
    });
  });
});

function summed(gradient: tf.Tensor, shape: readonly number[]): tf.Tensor {
  let sum = gradient;
  while (sum.rank > shape.length) sum = sum.sum(0);
  for (const [axis, size] of shape.entries()) if (size === 1) sum = sum.sum(axis, true);
  return sum;
}
