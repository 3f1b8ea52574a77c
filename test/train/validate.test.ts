import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { plainThresholds } from '../../src/evaluate/calibrate.js';
import { boxesFrom } from '../../src/image/boxes.js';
import { CellSam } from '../../src/models/cellsam.js';
import { boxCounts, validate } from '../../src/train/validate.js';
import { tinyConfig } from '../support/tinyModel.js';

describe('a look during training', () => {
  const truth = boxesFrom([
    [0, 0, 10, 10],
    [20, 0, 30, 10],
  ]);

  test('counts a true box once, for the best-scored box; boxes at or below the threshold do not count', () => {
    const boxes = boxesFrom([
      [0, 0, 10, 9],
      [0, 0, 10, 10],
      [20, 5, 30, 20],
      [20, 0, 30, 10],
    ]);
    expect(boxCounts(truth, boxes, [0.9, 0.8, 0.7, 0.3], 0.3)).toEqual({ tp: 1, fp: 2, fn: 1 });
    expect(boxCounts(truth, boxes, [0.9, 0.8, 0.7, 0.31], 0.3)).toEqual({ tp: 2, fp: 2, fn: 0 });
  });

  test('finds nothing in nothing', () => {
    const none = boxesFrom([]);
    expect(boxCounts(none, none, [], 0)).toEqual({ tp: 0, fp: 0, fn: 0 });
    expect(boxCounts(truth, none, [], 0)).toEqual({ tp: 0, fp: 0, fn: 2 });
  });

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
