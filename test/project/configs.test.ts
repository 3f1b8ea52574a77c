import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.js';
import { TRAIN_JOB_PATHS, trainJobOptions } from '../../src/jobs/train.js';
import { planTraining } from '../../src/jobs/trainPlan.js';

describe('the configurations that come with the project', () => {
  test.each(readdirSync('configs').filter((name) => name.endsWith('.yaml')))(
    '%s parses, names its command in the first line, and dry-runs',
    async (name) => {
      const { config, folder } = await loadConfig(trainJobOptions, `configs/${name}`, [], TRAIN_JOB_PATHS);
      expect(readFileSync(`configs/${name}`, 'utf8').split('\n')[0]).toMatch(
        /^# (npm start|node bin\/cellsam\.mjs train --config configs\/)/,
      );
      const plan = await planTraining(config, folder, { emit: () => {} });
      expect(plan.trainedParameters).toBeGreaterThan(0);
      expect(plan.time.secondsPerStep).toBeGreaterThan(0);
      if (plan.learningRate !== undefined) expect(Math.min(...plan.learningRate)).toBeGreaterThan(0);
    },
  );
});
