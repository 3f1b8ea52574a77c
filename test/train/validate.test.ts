import { describe, expect, test } from '@jest/globals';
import { Interrupted } from '../../src/core/errors.js';
import type { JobEvent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { plainThresholds } from '../../src/evaluate/calibrate.js';
import { CellSam } from '../../src/models/cellsam.js';
import { validate } from '../../src/train/validate.js';
import { tinyConfig } from '../support/tinyModel.js';

describe('a look during training', () => {
  test.each([
    ['detector', 'boxes at IoU 0.5'],
    ['masks', 'masks in true boxes at IoU 0.75'],
    ['joint', 'cells at IoU 0.5'],
  ] as const)('of stage %s judges %s', async (stage, measure) => {
    const model = CellSam.create(tinyConfig(), new Random('look'));
    const { image, instances } = simulate({ modality: 'fluorescence', side: 64, seed: 'look' });
    const labels = instances.kind === 'labels' ? instances.labels : undefined;
    const images = labels === undefined ? [] : [{ image, truth: labels }];
    const seen: JobEvent[] = [];
    const emit = (event: JobEvent) => void seen.push(event);
    const found = await validate(model, stage, images, plainThresholds(0.4), { emit });
    model.dispose();
    expect(seen[0]).toMatchObject({ kind: 'progress', done: 1, total: 1, unit: 'validation images' });
    expect(found.measure).toBe(measure);
    expect(found.f1).toBeGreaterThanOrEqual(0);
    expect(found.f1).toBeLessThanOrEqual(1);
  });

  test.each(['detector', 'masks', 'joint'] as const)(
    'of stage %s hears Ctrl-C after an image',
    async (stage) => {
      const model = CellSam.create(tinyConfig(), new Random('look'));
      const { image, instances } = simulate({ modality: 'fluorescence', side: 64, seed: 'look' });
      if (instances.kind !== 'labels') throw new Error('no labels');
      const images = Array.from({ length: 30 }, () => ({ image, truth: instances.labels }));
      const abort = new AbortController();
      let looked = 0;
      const emit = () => {
        looked++;
        if (looked === 1) setImmediate(() => abort.abort()); // as a signal comes: when the event loop runs
      };
      const context = { emit, signal: abort.signal };
      await expect(validate(model, stage, images, plainThresholds(0.4), context)).rejects.toThrow(
        Interrupted,
      );
      model.dispose();
      expect(looked).toBeLessThan(4);
    },
  );
});
