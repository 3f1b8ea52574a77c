import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.js';
import { EVALUATION_PATHS, evaluationOptions } from '../../src/jobs/evaluate.js';
import { TRAIN_JOB_PATHS, trainJobOptions } from '../../src/jobs/train.js';
import { planTraining } from '../../src/jobs/trainPlan.js';

describe('the configurations that come with the project', () => {
  const all = readdirSync('configs').filter((name) => name.endsWith('.yaml'));
  const isList = (name: string) => /^datasets\s*:/m.test(readFileSync(`configs/${name}`, 'utf8'));

  test.each(all.filter(isList))('%s lists data sets for evaluate, and names its command', async (name) => {
    const { config } = await loadConfig(evaluationOptions, `configs/${name}`, [], EVALUATION_PATHS);
    expect(Object.keys(config.datasets).length).toBeGreaterThan(0);
    expect(readFileSync(`configs/${name}`, 'utf8').split('\n')[0]).toContain(`--config configs/${name}`);
  });

  test.each(all.filter((name) => !isList(name)))(
    '%s parses, names its command in the first line, and dry-runs',
    async (name) => {
      const { config, folder } = await loadConfig(trainJobOptions, `configs/${name}`, [], TRAIN_JOB_PATHS);
      expect(readFileSync(`configs/${name}`, 'utf8').split('\n')[0]).toMatch(
        /^# (npm start|node bin\/cellsam\.mjs (train --config|check) configs\/)/,
      );
      const plan = await planTraining(config, folder, { emit: () => {} });
      expect(plan.trainedParameters).toBeGreaterThan(0);
      expect(plan.time.secondsPerStep).toBeGreaterThan(0);
      if (plan.learningRate !== undefined) expect(Math.min(...plan.learningRate)).toBeGreaterThan(0);
    },
  );
});
