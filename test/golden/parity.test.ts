import { describe, expect, test } from '@jest/globals';
import { parity } from '../../scripts/parity.js';
import { tf } from '../../src/tf/index.js';

describe('the published modules, number for number', () => {
  // a: one shared ViT, row-column attention, learned anchors; a2: two ViTs, plain attention, grid anchors, three patterns.
  test.each([
    ['a', 402, true],
    ['a2', 256, true],
    ['a', 402, false],
    ['a2', 256, false],
  ])(
    'every key of the golden set %s (%i keys) is within its tolerance, recomputing %s',
    async (name, keys, recompute) => {
      const tensors = tf.memory().numTensors;
      const lines: string[] = [];
      const { passed, failed } = await parity(`test/fixtures/golden/${name}`, (line) => lines.push(line), {
        recompute,
      });
      expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([]);
      expect(tf.memory().numTensors).toBe(tensors);
      expect({ passed, failed }).toEqual({ passed: keys, failed: 0 });
    },
  );
});
