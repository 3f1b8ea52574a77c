import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { adapt } from '../../src/adapt/adapt.js';
import { type AnnotatedField, annotatedFields, withoutMasks } from '../../src/adapt/annotated.js';
import { boundaryOf } from '../../src/adapt/boundary.js';
import { FeatureCache } from '../../src/adapt/featureCache.js';
import { foldsOf } from '../../src/adapt/folds.js';
import { learn } from '../../src/adapt/learn.js';
import { type AdaptOptions, adaptOptions } from '../../src/adapt/options.js';
import { fixedViews } from '../../src/adapt/views.js';
import { silent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { thresholdSets } from '../../src/segment/thresholds.js';
import { tf } from '../../src/tf/index.js';
import { baseModel, changedFrom } from '../../src/weights/base.js';
import { loadModelFile, saveModelFile } from '../../src/weights/modelFile.js';

const SIDE = 64;
const folder = mkdtempSync(join(tmpdir(), 'adapt-'));
let model: CellSam;
let fields: AnnotatedField[];

beforeAll(() => {
  const tiny = preset('tiny');
  model = CellSam.create({ ...tiny, vit: { ...tiny.vit, imgSize: SIDE } }, new Random(3));
  const samples = [1, 2, 3].map((seed) => simulate({ modality: 'fluorescence', side: SIDE, seed }));
  fields = annotatedFields(samples);
});

afterAll(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const memory = { memoryBytes: 1e9, diskBytes: 1e9 };
const plan = { side: SIDE, scales: [1], limit: 100 };

function copyOf(source: CellSam): CellSam {
  return CellSam.fromArrays(source.config, source.toArrays());
}

async function losses(
  own: CellSam,
  trained: string[],
  isCached: boolean,
  cache: FeatureCache,
): Promise<readonly number[]> {
  const views = fixedViews(fields.slice(0, 2), { ...plan, limit: 4 }, new Random(0));
  const result = await learn({
    model: own,
    views,
    trained,
    boundary: isCached ? boundaryOf(own, trained, true) : undefined,
    cache,
    steps: 4,
    batchSize: 2,
    learningRate: 1e-3,
    milliseconds: Number.POSITIVE_INFINITY,
    random: new Random(1),
  });
  return result.losses;
}

describe('kept features', () => {
  test('give the same losses as the whole model, from memory and from files, and are computed once', async () => {
    const trained = model.parameters
      .names()
      .filter((n) => /decode_head|neck\.|mask_decoder/.test(n) && model.parameters.get(n).trainable);
    const runs: (readonly number[])[] = [];
    const caches = [
      new FeatureCache(memory),
      new FeatureCache(memory),
      new FeatureCache({ ...memory, memoryBytes: 0 }, folder),
    ];
    for (const [i, cache] of caches.entries()) {
      const own = copyOf(model);
      runs.push(await losses(own, trained, i > 0, cache));
      own.dispose();
    }
    expect(runs[0]).toHaveLength(4);
    for (const run of runs.slice(1))
      for (const [i, loss] of run.entries())
        expect(Math.abs(loss - (runs[0]?.[i] as number))).toBeLessThan(1e-4);
    expect(caches.map((cache) => cache.computed)).toEqual([0, 4, 4]);
  });

  test('stay in a folder for the next time, also where the memory would do', async () => {
    const trained = model.parameters.names().filter((n) => /decode_head.*score/.test(n));
    for (const computed of [4, 0]) {
      const cache = new FeatureCache(memory, join(folder, 'kept'));
      const own = copyOf(model);
      await losses(own, trained, true, cache);
      own.dispose();
      expect(cache.computed).toBe(computed);
    }
  });

  test('lie behind the last frozen layer, and nowhere when the ViT is trained', () => {
    const names = model.parameters.names();
    const some = (pattern: RegExp) => names.filter((n) => pattern.test(n));
    expect(boundaryOf(model, some(/decode_head|mask_decoder/), true)).toEqual({
      masks: 'embedding',
      detector: 'tokens',
    });
    expect(boundaryOf(model, some(/neck\./), true)).toEqual({ masks: 'tokens', detector: 'none' });
    expect(boundaryOf(model, some(/blocks\.0\./), true)).toBeUndefined();
  });
});

test('looks come at their shares of the schedule, and learning stops where it is told', async () => {
  const own = copyOf(model);
  const trained = own.parameters.names().filter((n) => /decode_head.*score/.test(n));
  const views = fixedViews(fields.slice(0, 1), { ...plan, limit: 2 }, new Random(0));
  const seen: number[] = [];
  const result = await learn({
    model: own,
    views,
    trained,
    boundary: boundaryOf(own, trained, true),
    cache: new FeatureCache(memory),
    steps: 8,
    batchSize: 1,
    learningRate: 1e-3,
    milliseconds: Number.POSITIVE_INFINITY,
    until: 0.75,
    random: new Random(1),
    look: { at: [0.25, 0.5, 0.9], run: async (share) => void seen.push(share) },
  });
  expect(seen).toEqual([0.25, 0.5]);
  expect(result.steps).toBe(6);
  own.dispose();
});

describe('folds', () => {
  test('hold every image out once', () => {
    const folds = foldsOf(fields, 5, new Random(0));
    expect(folds.flatMap(({ test }) => test.map(({ id }) => id)).sort()).toEqual(
      fields.map(({ id }) => id).sort(),
    );
    for (const { learn, test } of folds)
      expect(learn.some(({ id }) => test.some((t) => t.id === id))).toBe(false);
  });

  test('a single image is divided; objects over the cut are in neither half', () => {
    const [whole] = fields as [AnnotatedField];
    const folds = foldsOf([whole], 5, new Random(0));
    const counts = folds.map(({ test }) => test[0]?.boxes.count ?? 0);
    const cut = Array.from(
      { length: whole.boxes.count },
      (_, i) => [whole.boxes.xyxy[4 * i], whole.boxes.xyxy[4 * i + 2]] as [number, number],
    );
    const over = cut.filter(([x0, x1]) => x0 < SIDE / 2 && x1 > SIDE / 2).length;
    expect(folds).toHaveLength(2);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(whole.boxes.count - over);
    for (const {
      test: [half],
    } of folds)
      expect(half?.labels.count).toBe(half?.boxes.count);
  });
});

test('images without cells are learnt from beside the only one with cells', () => {
  const [whole, other] = fields as [AnnotatedField, AnnotatedField];
  const none = { ...other, boxes: { count: 0, xyxy: new Float32Array() } };
  const folds = foldsOf([whole, none], 5, new Random(0));
  expect(folds).toHaveLength(2);
  for (const { learn } of folds) expect(learn.map(({ id }) => id)).toContain(none.id);
});

describe('adapting', () => {
  const options = adaptOptions.parse({ steps: 2, batchSize: 2, views: 4, scales: [1], folds: 2 });
  const request = (given: readonly AnnotatedField[]) => ({
    model,
    thresholds: thresholdSets.paper,
    fields: given,
    options,
    cache: new FeatureCache(memory),
  });

  test('without a gain the model is bit for bit what it was, and nothing leaks', async () => {
    const before = model.toArrays();
    const tensors = tf.memory().numTensors;
    const outcome = await adapt(request(fields), { emit: silent });
    expect(outcome.decision.isKept).toBe(false);
    expect(changedFrom(before, model.toArrays()).size).toBe(0);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(outcome.after).toHaveLength(3);
  });

  test('boxes alone train the detector', async () => {
    const outcome = await adapt(request(fields.map(withoutMasks)), { emit: silent });
    expect(outcome.before).toHaveLength(3);
  });

  test('some images may have masks and others boxes only, with the mask decoder trained too', async () => {
    const [first, ...others] = fields as [AnnotatedField, ...AnnotatedField[]];
    const mixed = request([withoutMasks(first), ...others]);
    for (const seed of [0, 1]) {
      const own: AdaptOptions = { ...options, parts: ['detector', 'decoder'], seed };
      const outcome = await adapt({ ...mixed, options: own }, { emit: silent });
      expect(outcome.before).toHaveLength(3);
    }
  });

  test('too little to learn from is a clear error', async () => {
    const [field] = fields as [AnnotatedField];
    const one = { ...field, boxes: { count: 1, xyxy: field.boxes.xyxy.slice(0, 4) } };
    await expect(adapt(request([one]), { emit: silent })).rejects.toThrow(/1 annotated cell: at least 4/);
  });
});

test('an adapted file holds what changed and finds its base; without it the error says where it looked', async () => {
  const card = {
    config: model.config,
    thresholds: thresholdSets.paper,
    training: 'none',
    licence: 'Apache-2.0',
  };
  const base = join(folder, 'base.safetensors');
  await saveModelFile(base, model.toArrays(), card);
  const own = copyOf(model);
  const name = 'model.mask_decoder.iou_token.weight';
  tf.tidy(() => own.parameters.assign(name, own.parameters.get(name).add(1)));
  const changed = changedFrom(model.toArrays(), own.toArrays());
  expect([...changed.keys()]).toEqual([name]);
  const adapted = join(folder, 'adapted.safetensors');
  await saveModelFile(adapted, changed, card, { base: await baseModel(base) });
  const { model: loaded } = await loadModelFile(adapted);
  expect(changedFrom(own.toArrays(), loaded.toArrays()).size).toBe(0);
  rmSync(base);
  await expect(loadModelFile(adapted)).rejects.toThrow(/the model it was made from is not found/);
  own.dispose();
  loaded.dispose();
});
