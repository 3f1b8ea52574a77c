import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Interrupted, OutputError, type Problem, UsageError } from '../../src/core/errors.js';
import { type JobContext, silent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { exportJob, parseExportJob } from '../../src/jobs/export.js';
import { CellSam } from '../../src/models/cellsam.js';
import { loadCellSam, openOnnx } from '../../src/segment/loadCellSam.js';
import { baseModel } from '../../src/weights/base.js';
import { saveModelFile } from '../../src/weights/modelFile.js';
import { tinyConfig } from '../support/tinyModel.js';

const out = mkdtempSync(join(tmpdir(), 'export-job-'));
const file = join(out, 'model.safetensors');
const adapted = join(out, 'adapted.safetensors');
const context: JobContext = { emit: silent };
const card = { config: tinyConfig(), training: 'none', licence: 'CC0-1.0' };

beforeAll(async () => {
  const model = CellSam.create(card.config, new Random('export job'));
  await saveModelFile(file, model.toArrays(), card);
  const changed = new Map([...model.toArrays()].filter(([name]) => name.includes('mask_decoder')));
  for (const [name, array] of changed)
    changed.set(name, { ...array, data: (array.data as Float32Array).map((v) => v + 0.01) });
  await saveModelFile(adapted, changed, { ...card, licence: 'own' }, { base: await baseModel(file) });
  model.dispose();
});
afterAll(() => rmSync(out, { recursive: true }));

const run = (given: object) => exportJob(parseExportJob({ model: file, to: ['onnx'], ...given }), context);

test('a form that does not exist is told with the one that was meant', () => {
  const given = { model: file, to: ['onnx', 'savedmodell'], out, smaller: ['int4'] };
  let problems: readonly Problem[] = [];
  try {
    parseExportJob(given);
  } catch (thrown) {
    ({ problems } = thrown as UsageError);
  }
  expect(problems).toEqual([
    {
      where: '--to',
      message: '`savedmodell` is none of savedmodel, onnx, tfjs, bioimageio; did you mean `savedmodel`?',
    },
    { where: '--smaller', message: '`int4` is none of float16, int8; did you mean `int8`?' },
  ]);
  expect(() => parseExportJob({ model: file, to: [], out })).toThrow(UsageError);
});

test('what is there already stays, unless asked', async () => {
  const folder = join(out, 'there');
  const first = await run({ out: folder, verify: false });
  expect(first.files).toHaveLength(4);
  expect(first.comparisons).toEqual([]);
  await expect(run({ out: folder, verify: false })).rejects.toThrow(OutputError);
  expect((await run({ out: folder, verify: false, overwrite: true })).files).toHaveLength(4);
}, 60_000);

test('a place that cannot be written is told before the model is traced', async () => {
  const blocked = join(out, 'blocked');
  writeFileSync(blocked, 'a file');
  await expect(run({ out: blocked })).rejects.toThrow(/blocked is a file, and a folder is needed/);
});

test('a package without licence or test tensors is refused before anything is written', async () => {
  const folder = join(out, 'refused');
  const asked = { to: ['tfjs', 'bioimageio'], out: folder };
  await expect(run({ ...asked, verify: false })).rejects.toThrow(/test tensors/);
  await expect(run({ ...asked, model: adapted })).rejects.toThrow(/SPDX licence; the model's is `own`/);
  expect(readdirSync(join(folder, 'tfjs'))).toEqual([]);
});

test('smaller files come with the share of cells that they find', async () => {
  const folder = join(out, 'smaller');
  const { agreement, comparisons } = await run({
    out: folder,
    to: ['onnx', 'onnx'],
    smaller: ['float16', 'int8'],
  });
  expect(agreement.map((a) => a.precision)).toEqual(['float32', 'float16', 'int8']);
  const [exact, half] = agreement;
  expect(exact).toMatchObject({ images: 2, meanF1: 1, live: exact?.exported });
  expect(half?.meanF1).toBeGreaterThan(0.9);
  const limits = new Set(comparisons.map(({ runtime, limit }) => `${runtime}: ${limit}`));
  expect([...limits].sort()).toEqual([
    'onnxruntime-node, float16: undefined',
    'onnxruntime-node, int8: undefined',
    'onnxruntime-node: 0.0001',
  ]);
  await expect(openOnnx(join(out, 'there', 'onnx'), { precision: 'int8' })).rejects.toThrow(/no int8 files/);
}, 120_000);

test('an adapted model, which holds its changes only, is exported whole', async () => {
  const folder = join(out, 'delta');
  const { comparisons } = await run({ model: adapted, out: folder });
  expect(Math.max(...comparisons.map((c) => c.relative))).toBeLessThan(1e-4);
  expect(existsSync(join(folder, 'onnx', 'decoder.onnx'))).toBe(true);
}, 120_000);

test('CellSAM’s own input scaling goes with the exported model', async () => {
  const [published, folder] = [join(out, 'published.safetensors'), join(out, 'published')];
  const model = CellSam.create(card.config, new Random('published'));
  await saveModelFile(published, model.toArrays(), { ...card, scaling: 'published' });
  model.dispose();
  await run({ model: published, out: folder, verify: false });
  const [live, exported] = [await loadCellSam(published), await openOnnx(join(folder, 'onnx'))];
  expect([live, exported].map((m) => [m.segmenter.engine.scaling, m.segmenter.fit])).toEqual([
    ['published', 'stretch'],
    ['published', 'stretch'],
  ]);
  const plain = await openOnnx(join(folder, 'onnx'), { scaling: 'plain' });
  expect(plain.segmenter.engine.scaling).toBe('plain');
  for (const opened of [live, exported, plain]) opened.dispose();
}, 60_000);

test('a stop is heard between two steps', async () => {
  const signal = AbortSignal.abort();
  const job = parseExportJob({ model: file, to: ['onnx'], out: join(out, 'stopped') });
  await expect(exportJob(job, { emit: silent, signal })).rejects.toThrow(Interrupted);
});
