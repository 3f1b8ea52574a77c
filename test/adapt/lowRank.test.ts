import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { annotatedFields } from '../../src/adapt/annotated.js';
import { boundaryOf } from '../../src/adapt/boundary.js';
import { FeatureCache } from '../../src/adapt/featureCache.js';
import { learn } from '../../src/adapt/learn.js';
import { adaptOptions } from '../../src/adapt/options.js';
import { trainedOf } from '../../src/adapt/trained.js';
import { fixedViews } from '../../src/adapt/views.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { CellSam } from '../../src/models/cellsam.js';
import { Parameters } from '../../src/models/parameters.js';
import { preset } from '../../src/models/presets.js';
import { thresholdSets } from '../../src/segment/thresholds.js';
import { tf } from '../../src/tf/index.js';
import { LowRankAdapters } from '../../src/train/optimiser/lowRank.js';
import { baseModel, changedFrom } from '../../src/weights/base.js';
import { withFactors } from '../../src/weights/lowRank.js';
import { loadModelFile, saveModelFile } from '../../src/weights/modelFile.js';

const options = { betas: [0.9, 0.99] as const, eps: 1e-8, weightDecay: () => 0 };

test('an adapter finds a change of low rank and leaves all else of the weight as it is', () => {
  const tensors = tf.memory().numTensors;
  const parameters = new Parameters();
  const random = new Random('adapters');
  const values = (n: number) => Float32Array.from({ length: n }, () => random.normal());
  parameters.add('w', tf.tensor2d(values(6 * 5), [6, 5]));
  const base = Float32Array.from(parameters.get('w').dataSync());
  const wanted = tf.tidy(() => parameters.get('w').add(tf.outerProduct(values(6), values(5))) as tf.Tensor2D);
  const adapters = new LowRankAdapters(parameters, ['w'], 1, random);
  const optimiser = adapters.optimiser(options);
  const loss = () => tf.tidy(() => parameters.get('w').sub(wanted).square().sum().dataSync()[0] as number);
  const before = loss();
  for (let step = 0; step < 400; step++) {
    const gradient = tf.tidy(() => parameters.get('w').sub(wanted).mul(2));
    optimiser.apply(new Map([['w', gradient]]), () => 5e-3);
    gradient.dispose();
  }
  expect(loss()).toBeLessThan(1e-3 * before);
  const change = Float32Array.from(parameters.get('w').dataSync(), (v, i) => v - (base[i] as number));
  // Rank one: every 2 x 2 minor is zero.
  for (let i = 1; i < 6; i++)
    for (let j = 1; j < 5; j++) {
      const at = (r: number, c: number) => change[5 * r + c] as number;
      expect(Math.abs(at(0, 0) * at(i, j) - at(0, j) * at(i, 0))).toBeLessThan(1e-4);
    }
  optimiser.dispose();
  adapters.dispose();
  parameters.dispose();
  wanted.dispose();
  expect(tf.memory().numTensors).toBe(tensors);
});

test('adapters of encoder, neck and decoder learn, and their file is small and loads as the same model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'low-rank-'));
  const tiny = preset('tiny');
  const config = { ...tiny, vit: { ...tiny.vit, imgSize: 64 } };
  const model = CellSam.create(config, new Random('low rank'));
  const before = model.toArrays();
  const card = { config, thresholds: thresholdSets.paper, training: 'none', licence: 'none' };
  const base = join(folder, 'base.safetensors');
  await saveModelFile(base, before, card);
  const own = adaptOptions.parse({ parts: [], lora: ['encoder', 'neck', 'decoder'], rank: 2 });
  const { names, adapted, usesMasks } = trainedOf(model, own);
  expect(names).toEqual([]);
  expect(adapted.filter((name) => /neck/.test(name))).toHaveLength(2);
  expect(adapted.some((name) => /blocks\.0\.attn\.qkv/.test(name))).toBe(true);
  const fields = annotatedFields([simulate({ modality: 'fluorescence', side: 64, seed: 1 })]);
  const views = fixedViews(fields, { side: 64, scales: [1], limit: 2 }, new Random(0));
  const { factors } = await learn({
    model,
    views,
    trained: names,
    lowRank: { names: adapted, rank: 2 },
    usesMasks,
    boundary: boundaryOf(model, adapted, usesMasks),
    cache: new FeatureCache({ memoryBytes: 0, diskBytes: 0 }),
    steps: 3,
    batchSize: 1,
    learningRate: 1e-3,
    milliseconds: Number.POSITIVE_INFINITY,
    random: new Random(1),
  });
  const after = model.toArrays();
  const changed = changedFrom(before, after);
  expect([...changed.keys()].sort()).toEqual([...adapted].sort());
  const file = join(folder, 'adapted.safetensors');
  await saveModelFile(file, withFactors(changed, factors), card, { base: await baseModel(base) });
  expect(statSync(file).size).toBeLessThan(0.1 * statSync(base).size);
  const { model: loaded } = await loadModelFile(file);
  let apart = 0;
  for (const [name, { data }] of loaded.toArrays())
    for (const [i, value] of data.entries())
      apart = Math.max(apart, Math.abs(Number(value) - Number(after.get(name)?.data[i])));
  expect(apart).toBeLessThan(1e-6);
  loaded.dispose();
  model.dispose();
  rmSync(folder, { recursive: true });
});
