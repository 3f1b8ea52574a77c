import { describe, expect, test } from '@jest/globals';
import { detach, noTape, op, tf } from '../../src/tf/index.js';

describe('own operators', () => {
  test('op uses the given gradient and computes only what is asked for', () => {
    let asked = 0;
    const timesTwice = (a: tf.Tensor, b: tf.Tensor) =>
      op(
        { a, b },
        (save) => {
          save(a, b);
          return a.mul(b);
        },
        (dy, [, savedB]) => ({
          a: () => dy.mul(savedB as tf.Tensor).mul(2),
          b: () => {
            asked++;
            return dy;
          },
        }),
      );
    const b = tf.tensor1d([3, 4]);
    const gradient = tf.grad((a) => timesTwice(a, b).sum())(tf.tensor1d([1, 2]));
    expect([...gradient.dataSync()]).toEqual([6, 8]);
    expect(asked).toBe(0);
  });

  test('detach passes values and stops gradients', () => {
    const gradient = tf.grad((x) => x.mul(detach(x)).sum())(tf.tensor1d([3, 5]));
    expect([...gradient.dataSync()]).toEqual([3, 5]);
  });

  test('neither leaks tensors', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2]);
      tf.grad((y) =>
        noTape(() => y.square())
          .add(detach(y))
          .add(y)
          .sum(),
      )(x).dataSync();
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
