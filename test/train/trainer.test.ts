import { describe, expect, test } from '@jest/globals';
import { Random } from '../../src/core/random.js';
import { CellSam } from '../../src/models/cellsam.js';
import { tf } from '../../src/tf/index.js';
import { AdamW } from '../../src/train/optimiser/adamw.js';
import { trainOptions } from '../../src/train/options.js';
import { learningRates, weightDecays } from '../../src/train/schedule.js';
import { lossOptions } from '../../src/train/stages/options.js';
import { stageLoss } from '../../src/train/stages/stage.js';
import { trainedNames } from '../../src/train/trainable.js';
import { type StepReport, train } from '../../src/train/trainer.js';
import { tinyBatches, tinyConfig } from '../support/tinyModel.js';

/** A short run; gives its reports and the names of the weights that moved. */
async function shortRun(settings: object, size = 2, from = 0, tensors?: (count: number) => void) {
  const options = trainOptions.parse({ learningRate: 1e-3, maxSteps: 2, promptsPerImage: 1, ...settings });
  const model = CellSam.create(tinyConfig(), new Random('weights'));
  const before = new Map(
    [...model.toArrays()].map(([name, { data }]) => [name, Float32Array.from(data as Float32Array)]),
  );
  const trained = trainedNames(model.config, options);
  const optimiser = new AdamW(model.parameters, {
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: weightDecays(options, (name) => model.parameters.get(name).rank),
  });
  const reports: StepReport[] = [];
  const stage = lossOptions(options, trained);
  const batches = await tinyBatches(size);
  await train(
    { step: 0, cursor: { epoch: 0, position: from, random: [] } },
    {
      parameters: model.parameters,
      trained,
      optimiser,
      batch: batches,
      loss: (batch, random) => stageLoss(model, batch, stage, random),
      rates: await learningRates(options),
      clipNorm: options.clipNorm,
      accumulate: options.accumulate,
      maxSteps: options.maxSteps,
      random: new Random('steps'),
      hooks: [
        {
          onStep: async (report) => {
            reports.push(report);
            tensors?.(tf.memory().numTensors);
            return undefined;
          },
        },
      ],
    },
  );
  const after = model.toArrays();
  const moved = trained.filter((name) => String(after.get(name)?.data) !== String(before.get(name)));
  const others = [...after.keys()].filter((name) => !trained.includes(name));
  const strays = others.filter((name) => String(after.get(name)?.data) !== String(before.get(name)));
  optimiser.dispose();
  model.dispose();
  return { reports, moved, strays, trained, before, after };
}

describe('the training loop', () => {
  test('averages the gradients of several batches: two of one image are one step on their mean loss', async () => {
    const settings = { stage: 'detector', maxSteps: 1, clipNorm: 0 };
    const both = await shortRun({ ...settings, accumulate: 2 }, 1);
    const first = await shortRun(settings, 1);
    const second = await shortRun(settings, 1, 1);
    expect(both.reports[0]?.loss).toBeCloseTo(
      ((first.reports[0]?.loss ?? 0) + (second.reports[0]?.loss ?? 0)) / 2,
      4,
    );
    expect(both.reports[0]?.images).toBe(2);
    const [a, b, c] = [both, first, second].map((run) => run.reports[0]?.gradientNorm ?? 0) as [
      number,
      number,
      number,
    ];
    expect(a).toBeGreaterThan(Math.abs(b - c) / 2);
    expect(a).toBeLessThanOrEqual((b + c) / 2);
  });

  test('holds as many tensors after every step, accumulating or not', async () => {
    const counts: number[] = [];
    await shortRun({ maxSteps: 3, accumulate: 2 }, 1, 0, (count) => counts.push(count));
    expect(counts[2]).toBe(counts[1]);
  });

  test('in stage 2 trains the neck alone unless told otherwise', async () => {
    const { moved, strays, trained } = await shortRun({ stage: 'masks' });
    expect(trained.every((name) => name.startsWith('model.image_encoder.neck.'))).toBe(true);
    expect([moved, strays]).toEqual([trained, []]);
  });

  test('computes a frozen ViT off the tape: the same losses as with it on the tape at rate nothing', async () => {
    const frozen = await shortRun({ stage: 'masks', trainable: ['mask_decoder'], clipNorm: 0 });
    const idle = await shortRun({
      stage: 'masks',
      trainable: ['mask_decoder', 'image_encoder'],
      groups: [{ names: 'image_encoder', learningRate: '0', weightDecay: 0 }],
      clipNorm: 0,
    });
    expect(frozen.reports.map((r) => r.loss)).toEqual(idle.reports.map((r) => r.loss));
    expect(frozen.strays).toEqual([]);
  });

  test('gives a group its own rate: without decay the first AdamW step moves every weight by it', async () => {
    const { before, after } = await shortRun({
      stage: 'detector',
      maxSteps: 1,
      weightDecay: 0,
      clipNorm: 0,
      groups: [{ names: 'image_encoder', learningRate: 1e-5 }],
    });
    const largest = (name: string) => {
      const old = before.get(name) as Float32Array;
      return Math.max(
        ...Array.from(after.get(name)?.data as Float32Array, (w, i) => Math.abs(w - (old[i] as number))),
      );
    };
    expect(largest('model.image_encoder.pos_embed')).toBeCloseTo(1e-5, 7);
    expect(largest('cellfinder.decode_head.dense.score.bias')).toBeCloseTo(1e-3, 5);
  });

  test('stops with a patterns error when a pattern of train.trainable fits nothing', async () => {
    await expect(shortRun({ trainable: ['mask_decoder', 'nekc'] })).rejects.toThrow(/no weight fits `nekc`/);
  });
});

describe('learning rates', () => {
  const at = async (settings: object, step: number) =>
    (await learningRates(trainOptions.parse(settings)))({ step, epoch: 0, maxSteps: 100 });

  test('rise in a line over the warm-up and then follow the expression', async () => {
    const settings = { learningRate: '1e-2 * (step < 70 ? 1 : 0.1)', warmupSteps: 4 };
    const rates = await Promise.all([0, 1, 3, 50, 70].map(async (step) => (await at(settings, step)).main));
    expect(rates.map((rate) => Number(rate.toPrecision(6)))).toEqual([0.0025, 0.005, 0.01, 0.01, 0.001]);
  });

  test('of a weight are those of the first group that fits, else the main one', async () => {
    const rates = await at(
      {
        learningRate: 1,
        groups: [
          { names: 'vit', learningRate: '0.1' },
          { names: 'vit.neck', learningRate: 5 },
        ],
      },
      0,
    );
    expect(['vit.neck.0', 'vit.0', 'head'].map((name) => rates.of(name))).toEqual([0.1, 0.1, 1]);
  });

  test('decay spares norms and biases unless asked, and a group may have its own', () => {
    const options = { weightDecay: 0.5, groups: [{ names: 'vit', weightDecay: 0.1 }] };
    const rank = (name: string) => (name.endsWith('bias') ? 1 : 2);
    const spared = weightDecays(trainOptions.parse(options), rank);
    const all = weightDecays(trainOptions.parse({ ...options, decayNormsAndBiases: true }), rank);
    expect(['a.weight', 'a.bias', 'vit.weight'].map(spared)).toEqual([0.5, 0, 0.1]);
    expect(['a.weight', 'a.bias', 'vit.bias'].map(all)).toEqual([0.5, 0.5, 0.1]);
  });
});
