import { expect, test } from '@jest/globals';
import { squaredLengths, tf } from '../../../src/tf/index.js';

test('rows’ sums of squares in one pass are those of squares that are added, and no tensor stays', () => {
  const before = tf.memory().numTensors;
  const x = tf.tensor2d([3, -4, 0, 0, 0, 0, 1e-3, 2, -1e3], [3, 3]);
  const found = squaredLengths(x);
  for (const [i, expected] of [25, 0, 1e6 + 4].entries())
    expect(Math.abs((found.dataSync()[i] as number) - expected)).toBeLessThanOrEqual(1e-6 * expected);
  tf.dispose([x, found]);
  expect(tf.memory().numTensors).toBe(before);
});
