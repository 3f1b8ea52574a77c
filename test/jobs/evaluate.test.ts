import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { CellsamError } from '../../src/core/errors.js';
import type { JobEvent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { calibrate, fullSweep } from '../../src/evaluate/calibrate.js';
import { scoreImage } from '../../src/evaluate/metrics/metrics.js';
import { relabel } from '../../src/image/labels.js';
import { writePng } from '../../src/io/png.js';
import { compare, compareJobOptions } from '../../src/jobs/compare.js';
import { evaluate, evaluateJobOptions } from '../../src/jobs/evaluate.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { CellSegmenter } from '../../src/segment/cellSegmenter.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { loadCellSam } from '../../src/segment/loadCellSam.js';
import { loadModelFile, saveModelFile } from '../../src/weights/modelFile.js';
import {
  NO_IMAGES,
  type TrainedImages,
  UNKNOWN_IMAGES,
  withImages,
} from '../../src/weights/trainedImages.js';

const context = { emit: () => {} };
const run = (options: object) => evaluate(evaluateJobOptions.parse(options), context);

const folder = () => mkdtempSync(join(tmpdir(), 'evaluate-'));

/** Label images of 12 x 12 as 16-bit PNG; each text is one row of digits, repeated to a square. */
async function masks(files: Readonly<Record<string, readonly number[]>>, width = 12): Promise<string> {
  const root = folder();
  for (const [name, row] of Object.entries(files)) {
    const data = Uint16Array.from({ length: row.length * width }, (_, i) => row[i % row.length] as number);
    writeFileSync(join(root, name), await writePng({ width: row.length, height: width, channels: 1, data }));
  }
  return root;
}

const ROW = [1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 0, 0];
const ONE_OF_TWO = [7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0];

async function failure(work: Promise<unknown>): Promise<string> {
  const thrown = await work.then(
    () => undefined,
    (error) => error,
  );
  if (!(thrown instanceof CellsamError)) throw thrown ?? new Error('it did not fail');
  return [thrown.message, ...thrown.problems.map(({ where, message }) => `${where}: ${message}`)].join('\n');
}

describe('masks of any program', () => {
  test('are paired by name and scored with all figures of each image and pooled', async () => {
    const truth = await masks({ 'a.png': ROW, 'b_masks.png': ROW });
    const pred = await masks({ 'a_cp_masks.png': ROW, 'b_pred.png': ONE_OF_TWO });
    const result = await run({ pred, truth });
    expect(result.per_image.map(({ id, n_true, n_pred }) => [id, n_true, n_pred])).toEqual([
      ['a', 2, 2],
      ['b', 2, 1],
    ]);
    expect(result.datasets[0]?.pooled[0]).toMatchObject({ tp: 3, fp: 0, fn: 1, f1: 6 / 7 });
    expect(result.datasets[0]?.mean_f1[0]).toBeCloseTo((1 + 2 / 3) / 2, 12);
    expect(readFileSync(join(pred, 'report', 'per_image.csv'), 'utf8').split('\r\n')).toHaveLength(4);
  });

  test('that do not fit are all named', async () => {
    const truth = await masks({ 'a.png': ROW, 'b.png': ROW, 'c.png': ROW });
    const alone = await failure(run({ truth, pred: await masks({ 'b.png': ROW, 'z.png': ROW }) }));
    for (const name of ['a.png', 'c.png', 'z.png']) expect(alone).toContain(name);
    const npy = await masks({ 'a.png': ROW.slice(0, 8), 'b.png': ROW.map((v) => (v > 0 ? 255 : 0)) });
    writeFileSync(join(npy, 'c.npy'), floats());
    const wrong = await failure(run({ truth, pred: npy }));
    expect(wrong).toMatch(/a\.png is 8 x 12, its truth .*a\.png 12 x 12/);
    expect(wrong).toMatch(/b\.png is a binary mask: one value for 2 separate pieces/);
    expect(wrong).toMatch(/c\.npy has the value 0\.5 at row 0, column 0/);
    expect(wrong).toContain('3 of 3 images cannot be scored');
  });

  test('binary ones can be split into pieces', async () => {
    const truth = await masks({ 'a.png': ROW });
    const pred = await masks({ 'a.png': ROW.map((v) => (v > 0 ? 255 : 0)) });
    expect((await run({ truth, pred, binary: 'split' })).per_image[0]).toMatchObject({ n_pred: 2, aji: 1 });
  });

  test('of two programs are compared image by image; other images are refused', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => `${name}.png`);
    const all = (row: readonly number[]) => masks(Object.fromEntries(names.map((name) => [name, row])));
    const [truth, good, bad] = [await all(ROW), await all(ROW), await all(ONE_OF_TWO)];
    const result = await compare(compareJobOptions.parse({ a: bad, b: good, truth }), context);
    const f1 = result.metrics.find(({ metric }) => metric === 'f1_50');
    expect(f1).toMatchObject({ images: 6, better: 'b', p: 2 / 64 });
    expect(f1?.difference.mean).toBeCloseTo(1 / 3, 12);
    expect(result.metrics.find(({ metric }) => metric === 'absolute_count_error')?.better).toBe('b');
    // Written with other ids: the same masks. With an object shifted by one pixel: others.
    const renumbered = await all(ROW.map((v) => (v > 0 ? 9 - v : 0)));
    const shifted = await all([0, ...ROW.slice(0, -1)]);
    await run({ pred: good, truth, out: join(good, 'x') });
    await run({ pred: bad, truth: renumbered, out: join(bad, 'x') });
    await run({ pred: bad, truth: shifted, out: join(bad, 'y') });
    const by = (other: string) =>
      compare({ a: join(good, 'x'), b: join(bad, other), binary: 'refuse' }, context);
    expect((await by('x')).images).toBe(6);
    expect(await failure(by('y'))).toMatch(/other true masks/);
    const one = await masks({ 'a.png': ROW });
    await run({ pred: good, truth, out: join(good, 'r') });
    await run({ pred: one, truth: one, out: join(one, 'r') });
    expect(
      await failure(compare({ a: join(good, 'r'), b: join(one, 'r'), binary: 'refuse' }, context)),
    ).toMatch(/not of the same images/);
  });

  /** A 12 x 12 npy of float32, all 0.5. */
  function floats(): Uint8Array {
    const text = "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 12), }";
    const header = Buffer.from(`${text.padEnd(117)}\n`);
    const head = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([118, 0]), header]);
    return Buffer.concat([head, Buffer.from(new Float32Array(144).fill(0.5).buffer)]);
  }
});

test.each([
  [{ pred: 'x' }, /^--truth is missing: the true masks that those of x are scored against$/],
  [{ truth: 'x' }, /^--pred is missing/],
  [{ model: 'm', pred: 'x' }, /^--model and --pred do not go together/],
  [{}, /--model or --pred is missing/],
])('with %j the option that is missing or too many is named', async (options, told) => {
  expect(await failure(run(options))).toMatch(told);
});

describe('a model', () => {
  const size = preset('tiny');
  const config = { ...size, vit: { ...size.vit, imgSize: 32 } };
  const thresholds = { box: 0.2, boxShare: 1, meanShare: 0, iou: 0, mask: 0.5 };

  async function runFolder(): Promise<string> {
    const root = folder();
    const model = CellSam.create(config, new Random('evaluate'));
    const card = { config, thresholds, training: 'none', licence: 'none' };
    await saveModelFile(join(root, 'model.safetensors'), model.toArrays(), card);
    model.dispose();
    const data = { type: 'simulated', count: 6, fieldSize: 48 };
    writeFileSync(join(root, 'config.yaml'), stringify({ data }));
    return root;
  }

  test('is scored on what its run held out, in tiles; true boxes find every cell; a second look costs nothing', async () => {
    const model = await runFolder();
    const result = await run({ model });
    expect(result.per_image).toHaveLength(1);
    expect(result.datasets[0]?.box?.ap50).toBeGreaterThanOrEqual(0);
    expect((await run({ model })).reused).toBe(true);
    const oracle = await run({ model, boxes: 'truth', out: join(model, 'oracle') });
    expect(oracle.datasets[0]?.box).toBeNull();
    expect(oracle.per_image[0]?.n_pred).toBeGreaterThan(0);
  });

  test('of a folder without a configuration is scored on the data sets that are named', async () => {
    const model = await runFolder();
    rmSync(join(model, 'config.yaml'));
    const config = join(folder(), 'sets.yaml');
    const data = { type: 'simulated', count: 6, fieldSize: 48 };
    writeFileSync(config, stringify({ datasets: { mine: { data } } }));
    const { per_image, report } = await run({ model, config });
    expect([per_image.length, report.startsWith(join(model, 'report'))]).toEqual([1, true]);
    expect(await failure(run({ model }))).toBe('on which images?');
  });

  test('is opened before any image is read', async () => {
    const root = folder();
    writeFileSync(join(root, 'model.safetensors'), 'no model');
    writeFileSync(join(root, 'config.yaml'), stringify({ data: { type: 'simulated', count: 6 } }));
    const seen: JobEvent[] = [];
    const job = evaluateJobOptions.parse({ model: root });
    await expect(evaluate(job, { emit: (event) => seen.push(event) })).rejects.toMatchObject({ exitCode: 5 });
    expect(seen).toEqual([]);
  });

  test('is not scored on images that trained it, whatever they are called', async () => {
    const model = await runFolder();
    const config = join(folder(), 'sets.yaml');
    const data = { type: 'simulated', count: 6, fieldSize: 48 };
    writeFileSync(config, stringify({ datasets: { mine: { data, split: 'heldout' } } }));
    expect((await run({ model, config })).warnings).toEqual([]);
    // The same fields, divided in another way: some of the held-out ones trained the model.
    const other = join(folder(), 'train');
    mkdirSync(other);
    for (const i of [0, 1, 2, 3, 4, 5]) {
      const { image, instances } = simulate({ modality: 'fluorescence', side: 48, seed: `0/${i}` });
      if (instances.kind !== 'labels') throw new Error('no labels');
      const bytes = { width: 48, height: 48, channels: 1 };
      const png = await writePng({ ...bytes, data: Uint8Array.from(image.data) });
      writeFileSync(join(other, `x${i}_img.png`), png);
      const ids = Uint16Array.from(relabel(instances.labels.data, 48, 48).labels.data);
      writeFileSync(join(other, `x${i}_masks.png`), await writePng({ ...bytes, data: ids }));
    }
    const splitFile = join(other, 'split.json');
    const split = { train: ['x0'], val: ['x1'], heldout: ['x2', 'x3', 'x4', 'x5'] };
    writeFileSync(splitFile, JSON.stringify(split));
    const renamed = { data: { type: 'maskPairs', root: other, splitFile } };
    writeFileSync(config, stringify({ datasets: { renamed } }));
    expect(await failure(run({ model, config }))).toMatch(
      /held-out images were used in training[\s\S]*same pixels as/,
    );
    expect((await run({ model, config, shared: 'allow' })).warnings.join()).toMatch(/trained the model/);

    // A file alone: it tells by its list, where it has one.
    const file = join(model, 'model.safetensors');
    expect((await run({ model: file, config })).warnings.join()).toMatch(/could not be checked/);
    const { model: weights, card } = await loadModelFile(file);
    const { source } = simulate({ modality: 'fluorescence', side: 48, seed: '0/3' });
    const listed = async (base: TrainedImages) => {
      const trainedImages = withImages(base, [source.contentHash]);
      await saveModelFile(file, weights.toArrays(), { ...card, trainedImages });
    };
    await listed(NO_IMAGES);
    expect(await failure(run({ model: file, config }))).toMatch(
      /^1 of 4 held-out images were used in training\nx3: /,
    );
    writeFileSync(config, stringify({ datasets: { renamed: { ...renamed, split: 'all' } } }));
    expect(await failure(run({ model: file, config }))).toMatch(/^1 of 6 held-out images/);
    const all = await run({ model: file, config, shared: 'allow' });
    expect(all.per_image.map(({ id }) => id)).toEqual(['x0', 'x1', 'x2', 'x3', 'x4', 'x5']);
    writeFileSync(config, stringify({ datasets: { renamed } }));
    await listed(UNKNOWN_IMAGES);
    const partly = await run({ model: file, config, shared: 'allow' });
    expect(partly.warnings).toHaveLength(2);
    expect(partly.warnings.join()).toMatch(/began with are not known[\s\S]*1 of these images trained/);
    weights.dispose();
  });

  test('of a published checkpoint sees images as segment shows them to it, also while it is calibrated', async () => {
    const root = folder();
    const file = join(root, 'model.safetensors');
    // The paper's form: each encoder gets a scaling of its own.
    const paper = {
      ...config,
      cellfinder: { ...config.cellfinder, proposals: 'learned' as const, numQueryPosition: 9 },
    };
    const model = CellSam.create(paper, new Random('published'));
    const all = { ...thresholds, box: 0, iou: -100 };
    const card = { config: paper, thresholds: all, training: 'none', licence: 'none' };
    await saveModelFile(file, model.toArrays(), { ...card, scaling: 'published' });
    model.dispose();
    const data = { type: 'simulated', count: 6, fieldSize: 48 };
    writeFileSync(join(root, 'config.yaml'), stringify({ data }));

    const [scored] = (await run({ model: root, segment: { minSize: 1 } })).per_image;
    const index = Number(scored?.id.replace(/^.*-/, ''));
    const { image, instances } = simulate({ modality: 'fluorescence', side: 48, seed: `0/${index}` });
    if (instances.kind !== 'labels') throw new Error('no labels');
    const seen = [];
    for (const scaling of ['auto', 'plain'] as const) {
      const segmenter = await loadCellSam(file, { minSize: 1, scaling });
      const { labels } = await segmenter.segment(image);
      const { aji, boundary_f1 } = scoreImage(instances.labels, labels);
      seen.push([labels.count, aji, boundary_f1]);
      segmenter.dispose();
    }
    expect([scored?.n_pred, scored?.aji, scored?.boundary_f1]).toEqual(seen[0]);
    expect(seen[1]).not.toEqual(seen[0]);

    const shown: boolean[] = [];
    const engine = TensorFlowEngine.prototype;
    const { encode } = engine;
    engine.encode = function (...args) {
      shown.push(args[2] !== undefined);
      return encode.apply(this, args);
    };
    try {
      await run({ model: root, calibrate: true });
    } finally {
      engine.encode = encode;
    }
    expect(shown.length).toBeGreaterThan(1);
    expect(new Set(shown)).toEqual(new Set([true]));
  });

  test('is calibrated without running the network again, through the same code as segment; the file keeps the result', async () => {
    const root = await runFolder();
    const file = join(root, 'model.safetensors');
    const { model } = await loadModelFile(file);
    const { image, instances } = simulate({ modality: 'fluorescence', side: 48, seed: 5 });
    if (instances.kind !== 'labels') throw new Error('no labels');
    let encoded = 0;
    const engine = TensorFlowEngine.prototype;
    const { encode } = engine;
    engine.encode = function (...args) {
      encoded++;
      return encode.apply(this, args);
    };
    try {
      const found = await calibrate(
        model,
        [{ image, truth: instances.labels }],
        fullSweep,
        { minSize: 5 },
        context,
      );
      expect(found.trials.length).toBeGreaterThan(20);
      const tiles = new CellSegmenter(model, {}, thresholds).tilesFor(48, 48);
      expect(tiles?.tile).toBe(32);
      // Four tiles; masks are decoded for new boxes only, so a tile is encoded at most once for each new set of boxes.
      expect(encoded).toBeLessThanOrEqual(8);
    } finally {
      engine.encode = encode;
      model.dispose();
    }
    await run({ model: root, calibrate: true });
    const { card, model: again } = await loadModelFile(file);
    again.dispose();
    expect(card.thresholds).toHaveProperty('mask');
    expect(fullSweep[0]?.[1]).toContain(card.thresholds?.box);
  });
});
