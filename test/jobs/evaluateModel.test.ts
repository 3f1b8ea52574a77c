import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { JobEvent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { calibrate, fullSweep } from '../../src/evaluate/calibrate.js';
import { scoreImage } from '../../src/evaluate/metrics/metrics.js';
import { relabel } from '../../src/image/labels.js';
import { writePng } from '../../src/io/png.js';
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
import { context, failure, folder, run } from '../support/evaluating.js';

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
