import { describe, expect, test } from '@jest/globals';
import { verb } from '../../src/cli/verbs/train.js';
import { trainJobOptions } from '../../src/jobs/train.js';
import { planTraining } from '../../src/jobs/trainPlan.js';

const plan = (settings: { data?: object; model?: object; train?: object }) => {
  const job = trainJobOptions.parse({
    data: { type: 'simulated', count: 20, ...settings.data },
    model: { preset: 'vit_b', ...settings.model },
    train: { ...settings.train },
  });
  return planTraining(job, '.', { emit: () => {} });
};

describe('a dry run', () => {
  test("counts the paper's parameters: stage 1 without the neck, stage 2 the neck alone", async () => {
    const first = await plan({ train: { stage: 'detector' } });
    expect(first.trained.map(({ parameters }) => parameters)).toEqual([13_239_134, 88_883_456]);
    const second = await plan({ train: { stage: 'masks' } });
    expect(second.trainedParameters).toBe(787_456);
  });

  test('in the layout with two ViTs stage 1 trains the one that the detector reads', async () => {
    const { trainedParameters } = await plan({ model: { preset: 'cellsam' }, train: { stage: 'detector' } });
    expect(trainedParameters).toBe(102_122_590);
  });

  test('turns epochs into steps: 14 training images, 3 views a batch, 2 batches a step', async () => {
    const { steps, viewsPerStep } = await plan({ train: { maxEpochs: 6, batchSize: 3, accumulate: 2 } });
    expect([steps, viewsPerStep]).toEqual([12, 6]);
  });

  test('counts operations: a frozen ViT is computed once, a trained one four times', async () => {
    const of = async (train: object) => (await plan({ train: { batchSize: 1, ...train } })).time.flopsPerStep;
    const frozen = await of({ stage: 'masks', promptsPerImage: 1, trainable: ['mask_decoder'] });
    const trained = await of({ stage: 'masks', promptsPerImage: 1, trainable: ['.'] });
    // 2 x 486.0 G multiply-adds for the encoder of vit_b, 3.2 G of them the neck (paper.md 1.1); 2 x 1.81 G for a mask.
    expect(frozen / 1e9).toBeCloseTo(2 * 486.0 + 3 * 2 * 1.81, -1);
    expect(trained / 1e9).toBeCloseTo(4 * (2 * 486.0 + 2 * 1.81), -2);
  });

  test('says what is not here and plans the rest', async () => {
    const found = await plan({
      data: { type: 'dsb2018', root: '/nowhere' },
      train: { maxEpochs: 3 },
    });
    expect([found.images, found.steps]).toEqual([undefined, undefined]);
    expect(found.missing).toMatch(/nowhere/);
    // The plan is printed; a script learns that the run could not start.
    expect(verb.render(found)).toContain('Images: not here');
    expect([verb.exitCode?.(found), verb.exitCode?.(await plan({}))]).toEqual([4, 0]);
  });
});
