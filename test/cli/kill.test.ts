import { expect, test } from '@jest/globals';
import { killAndResume } from '../../bench/kill.js';
import { MINUTE } from '../support/tinyModel.js';

const CONFIG = JSON.stringify({
  data: { type: 'simulated', count: 4, fieldSize: 64 },
  model: { preset: 'tiny', imgSize: 64, ...MINUTE },
  train: { maxSteps: 8, batchSize: 1, promptsPerImage: 1, checkpointEvery: 1, evaluateEvery: 4, previews: 0 },
});

test('a run that is killed three times ends with the same files as one that is not (slow: real processes)', async () => {
  const { killedAt, differing } = await killAndResume({
    config: CONFIG,
    kills: 3,
    seed: 'jest',
    print: () => {},
  });
  expect(killedAt).toHaveLength(3);
  expect(differing).toEqual([]);
}, 240_000);
