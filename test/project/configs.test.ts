import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.js';
import { parseSchedule } from '../../src/config/quantities.js';
import { trainJobOptions } from '../../src/jobs/train.js';

describe('the configurations that come with the project', () => {
  test.each(readdirSync('configs').filter((name) => name.endsWith('.yaml')))(
    '%s parses and names its command in the first line',
    async (name) => {
      const { config } = await loadConfig(trainJobOptions, `configs/${name}`);
      const rate = config.train.learningRate;
      if (typeof rate === 'string')
        expect((await parseSchedule(rate))({ step: 0, epoch: 0, maxSteps: 10 })).toBeGreaterThan(0);
      expect(readFileSync(`configs/${name}`, 'utf8').split('\n')[0]).toMatch(
        /^# (npm start|node bin\/cellsam\.mjs train --config configs\/)/,
      );
    },
  );
});
