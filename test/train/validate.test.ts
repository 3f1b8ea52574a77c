import { describe, expect, test } from '@jest/globals';
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
    const found = await validate(model, stage, images, plainThresholds(0.4), { emit: () => {} });
    model.dispose();
    expect(found.measure).toBe(measure);
    expect(found.f1).toBeGreaterThanOrEqual(0);
    expect(found.f1).toBeLessThanOrEqual(1);
  });
});
