import { describe, expect, test } from '@jest/globals';
import { Random } from '../../../src/core/random.js';
import { bfloat16Obstacle, bfloat16Product, product, tf } from '../../../src/tf/index.js';
import { portableBfloat16Product } from '../../../src/tf/ops/bfloat16.js';

const noise = (seed: string, shape: number[]): tf.Tensor => {
  const random = new Random(seed);
  return tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal()),
    shape,
  );
};

const largest = (x: tf.Tensor): number => x.abs().max().dataSync()[0] as number;

describe('a product in bfloat16', () => {
  const shapes: [string, number[], number[], { a?: boolean; b?: boolean }][] = [
    ['plain matrices', [5, 40], [40, 7], {}],
    ['the left one turned', [40, 5], [40, 7], { a: true }],
    ['the right one turned', [5, 40], [7, 40], { b: true }],
    ['one weight for many windows, both turned', [1, 40, 5], [3, 7, 40], { a: true, b: true }],
  ];

  test.each(shapes)('rounds operands and result, as its portable twin does: %s', (_, one, other, turned) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const [left, right] = [noise('left', one), noise('right', other)];
      const native = bfloat16Product(left, right, turned);
      const twin = portableBfloat16Product(left, right, turned);
      const exact = product(left, right, turned);
      expect([native.shape, native.dtype]).toEqual([exact.shape, 'float32']);
      // Sums in another order may fall on the other side of a rounding: one unit of 2^-8.
      expect(largest(native.sub(twin)) / largest(exact)).toBeLessThan(2 ** -8);
      const error = largest(native.sub(exact)) / largest(exact);
      expect(error).toBeGreaterThan(2 ** -13); // it is bfloat16 indeed
      expect(error).toBeLessThan(2 ** -6);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is exact for numbers that bfloat16 holds', () => {
    const values = bfloat16Product(tf.tensor2d([[1.5, -2]]), tf.tensor2d([[4], [0.25]])).dataSync();
    expect([...values]).toEqual([5.5]);
  });

  test('frees what TensorFlow holds besides the result', () => {
    const { binding } = tf.backend() as unknown as { binding: { getNumOfTensors(): number } };
    const [left, right] = [noise('a', [4, 4]), noise('b', [4, 4])];
    bfloat16Product(left, right).dispose();
    const before = binding.getNumOfTensors();
    bfloat16Product(left, right).dispose();
    expect(() => bfloat16Product(left, noise('c', [5, 4]))).toThrow();
    expect(binding.getNumOfTensors() - before).toBeLessThanOrEqual(1); // the operand of the failed one
  });

  test('has an obstacle on processors without instructions for it', () => {
    expect(bfloat16Obstacle(['avx2', 'avx512f'])).toMatch(/not known to multiply bfloat16/);
    expect(bfloat16Obstacle(['avx512f', 'avx512_bf16'])).toBeUndefined();
  });
});
