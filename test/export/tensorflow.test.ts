import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { checkInPython, writeCases } from '../../scripts/export/python.js';
import { type GoldenConfig, loadGolden } from '../../scripts/parity/golden.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { exportModel, programsOf } from '../../src/export/exportModel.js';
import { imageSymbols, preprocess } from '../../src/export/programs/preprocess.js';
import { target as savedModel, signatureNames } from '../../src/export/targets/savedmodel.js';
import { type Case, CaseMaker } from '../../src/export/verify/cases.js';
import { differences, toArrays } from '../../src/export/verify/difference.js';
import { LARGEST_WEIGHTS } from '../../src/graph/protobuf.js';
import { addProgram } from '../../src/graph/tensorflow/convert.js';
import { GraphDef, type Port } from '../../src/graph/tensorflow/graphDef.js';
import { writeGraphModel } from '../../src/graph/tensorflow/graphModel.js';
import { kernels } from '../../src/graph/tensorflow/kernels.js';
import { writeSavedModel } from '../../src/graph/tensorflow/savedModel.js';
import { withFormulas } from '../../src/graph/trace/symbols.js';
import { traceProgram } from '../../src/graph/trace/trace.js';
import { brightCells, stainToGrey } from '../../src/image/channels.js';
import type { PixelImage } from '../../src/image/types.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { frameOf, stretchOf } from '../../src/segment/preprocess.js';
import { tf } from '../../src/tf/index.js';
import { loadSavedModel } from '../../src/tf/savedModel.js';
import { browser } from '../support/browser.js';
import { testWithPython } from '../support/python.js';
import { disposeUses, FORMS, programOf, USES } from './uses.js';

const stem = 'test/fixtures/golden/a';
const out = mkdtempSync(join(tmpdir(), 'tensorflow-'));
const large = join(out, 'large');
const CHECKPOINT = ['variables/variables.index', 'variables/variables.data-00000-of-00001'];
const { model } = await loadGolden(
  stem,
  JSON.parse(readFileSync(`${stem}.config.json`, 'utf8')) as GoldenConfig,
);
const images = [
  simulate({ modality: 'fluorescence', side: 70, seed: 1 }).image,
  simulate({ modality: 'stained', side: 90, seed: 2 }).image,
];

afterAll(() => {
  model.dispose();
  disposeUses();
  rmSync(out, { recursive: true });
});

test('a graph model’s weights are cut into shards that join again', async () => {
  const graph = new GraphDef();
  const count = 1.5e6;
  const data = Float32Array.from({ length: count }, (_, i) => Math.sin(i));
  const x = { tensor: 'x', dtype: 'float32', shape: [1] } as const;
  graph.add('Placeholder', [], { dtype: { type: 'float32' }, shape: { shape: [1] } }, 'x');
  const few = graph.constant({ dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) });
  const many = graph.constant({ dtype: 'float32', shape: [count], data });
  const T = { T: { type: 'float32' } } as const;
  const y = graph.add('AddV2', ['x', many], T);
  const z = graph.add('AddV2', ['x', few], T);
  const folder = join(out, 'shards');
  const ports = {
    y: { tensor: y, dtype: 'float32', shape: [count] },
    z: { tensor: z, dtype: 'float32', shape: [3] },
  } as const;
  await writeGraphModel(graph, { inputs: { x }, outputs: ports }, folder);
  const shards = readdirSync(folder)
    .filter((name) => name.endsWith('.bin'))
    .sort();
  expect(shards.map((name) => statSync(join(folder, name)).size)).toEqual([
    2 ** 22,
    12 + 4 * count - 2 ** 22,
  ]);
  const joined = Buffer.concat(shards.map((name) => readFileSync(join(folder, name))));
  expect(
    joined.equals(
      Buffer.concat([new Uint8Array(Float32Array.of(1, 2, 3).buffer), new Uint8Array(data.buffer)]),
    ),
  ).toBe(true);
});

describe('TensorFlow rows', () => {
  test('every row has a use, and TensorFlow gives the live numbers of all of them at another size', async () => {
    const { LayerNorm: _, Gelu: __, ...plain } = USES;
    expect(Object.keys(plain).sort()).toEqual(Object.keys(kernels).sort());
    const graph = new GraphDef();
    const one = { inputs: {} as Record<string, Port>, outputs: {} as Record<string, Port> };
    const uses = Object.entries({ ...USES, ...FORMS }).map(
      ([name, run], i) => [name, `use${i}`, programOf(run)] as const,
    );
    for (const [, key, program] of uses) {
      const { inputs, outputs } = addProgram({ program, graph: traceProgram(program) }, graph, `${key}/`);
      one.inputs[`${key}_x`] = inputs['x'] as Port;
      one.outputs[`${key}_y`] = outputs['y'] as Port;
    }
    const folder = join(out, 'rows');
    await writeSavedModel(graph, { all: one }, folder, LARGEST_WEIGHTS);
    const loaded = await (await loadSavedModel())?.(folder, 'all');
    if (loaded === undefined) return;
    const x = { x: tf.randomNormal([4, 6, 5, 4], 0, 1, 'float32', 4) };
    const found = loaded.predict(
      Object.fromEntries(uses.map(([, key]) => [`${key}_x`, x.x])),
    ) as tf.NamedTensorMap;
    const worst = uses.map(([name, key, program]) => {
      const live = program.run(x, { B: 4 });
      const y = found[`${key}_y`] as tf.Tensor;
      const difference = differences(toArrays(live), toArrays({ y }))[0]?.relative ?? 1;
      tf.dispose(Object.values(live));
      return [name, difference] as const;
    });
    tf.dispose([x, found] as tf.TensorContainer);
    loaded.dispose();
    expect(worst.filter(([, difference]) => !(difference < 1e-5))).toEqual([]);
  }, 120_000);
});

describe('preprocessing as a graph', () => {
  const grey: PixelImage = { ...(images[0] as PixelImage), channels: ['grey'] };
  test.each([
    ['a grey picture enlarged', grey, 'pad'],
    ['a stained picture shrunk', images[1] as PixelImage, 'pad'],
    ['a grey picture kept', grey, 'native'],
    ['a stained picture that is too large', images[1] as PixelImage, 'native'],
  ] as const)('%s comes out as the segmenter makes it', (_, image, fit) => {
    const engine = new TensorFlowEngine(model);
    const single = fit === 'native' ? brightCells(image).image : stainToGrey(image);
    const wanted = frameOf(single, stretchOf(single), engine, fit);
    const { height: H, width: W, data, channels } = image;
    const bytes = Int32Array.from({ length: 3 * H * W }, (_, i) =>
      channels.length === 3 ? (data[i] as number) : (data[Math.floor(i / 3)] as number),
    );
    const sizes = withFormulas(imageSymbols(engine.side, fit), { H, W });
    const found = tf.tidy(() =>
      preprocess(tf.tensor3d(bytes, [H, W, 3], 'int32'), model.config, fit, sizes).dataSync(),
    );
    const worst = wanted.data.reduce((w, v, i) => Math.max(w, Math.abs(v - (found[i] as number))), 0);
    expect(worst).toBeLessThan(2e-4);
  });
});

describe('the golden model', () => {
  test('SavedModel and graph model give the live numbers in tfjs-node', async () => {
    const { comparisons } = await exportModel(model, { to: ['savedmodel', 'tfjs'], out, images });
    const programs = new Set(comparisons.map((c) => `${c.target} ${c.program}`));
    expect([...programs].sort()).toEqual([
      'savedmodel decoder',
      'savedmodel detector',
      'savedmodel encoder',
      'savedmodel segment_boxes',
      'tfjs box_decoder',
      'tfjs decoder',
      'tfjs detector',
      'tfjs encoder',
    ]);
    expect(Math.max(...comparisons.map((c) => c.relative))).toBeLessThan(1e-4);
  }, 120_000);

  test('weights of more than fits a file are variables, which tfjs-node restores', async () => {
    const { comparisons, files } = await exportModel(model, {
      to: ['savedmodel'],
      out: large,
      images: images.slice(0, 1),
      weightsUpTo: 0,
    });
    const sizes = ['saved_model.pb', ...CHECKPOINT].map(
      (name) => statSync(join(large, 'savedmodel', name)).size,
    );
    expect(sizes.reduce((a, b) => a + b)).toBe(files[0]?.bytes);
    expect(sizes[2]).toBeGreaterThan(5 * (sizes[1] as number));
    expect(Math.max(...comparisons.map((c) => c.relative))).toBeLessThan(1e-4);
  }, 120_000);

  testWithPython(
    'Python’s TensorFlow loads the SavedModel, also as Serving does, and agrees',
    ['tensorflow'],
    async () => {
      const programs = programsOf(model).filter((p) => savedModel.programs.includes(p.name));
      const cases: Case[] = [];
      for await (const each of new CaseMaker(model, images).cases(programs)) cases.push(each);
      const file = join(out, 'cases.safetensors');
      await writeCases(file, cases, (program) => signatureNames[program]);
      for (const place of [out, large])
        for (const loader of ['savedmodel', 'serving'] as const) {
          const found = checkInPython(loader, join(place, 'savedmodel'), file);
          expect(found).toHaveLength(21);
          expect(Math.max(...found.map((f) => f.relative))).toBeLessThan(1e-4);
        }
    },
  );

  const { launch, reason } = browser();
  (launch === undefined ? test.skip : test)(`a page in Chromium gives the same masks${reason}`, async () => {
    const opened = await (launch as NonNullable<typeof launch>)();
    try {
      const page = await opened.newPage();
      await page.route('http://model.test/**', (route) => {
        const { pathname } = new URL(route.request().url());
        if (pathname === '/')
          return route.fulfill({ body: '<title>masks</title>', contentType: 'text/html' });
        return route.fulfill({ body: readFileSync(join(out, 'tfjs', pathname)) });
      });
      await page.goto('http://model.test/');
      await page.addScriptTag({ path: 'node_modules/@tensorflow/tfjs/dist/tf.min.js' });
      const program = programsOf(model).find((p) => p.name === 'box_decoder');
      if (program === undefined) throw new Error('no box decoder');
      const inputs = program.inputs({ P: 2 });
      const live = program.run(inputs, { P: 2 });
      const given = Object.entries(inputs).map(([name, t]) => ({
        name,
        shape: t.shape,
        data: [...t.dataSync()],
      }));
      const found = (await page.evaluate(`(${inPage})(${JSON.stringify(given)})`)) as number[][];
      const wanted = toArrays({
        masks: live['low_res_masks'] as tf.Tensor,
        iou: live['iou_predictions'] as tf.Tensor,
      });
      const arrays = Object.entries(wanted).map(([name, { shape }], i) => [
        name,
        { shape, dtype: 'float32', data: Float32Array.from(found[i] as number[]) },
      ]);
      const worst = Math.max(...differences(wanted, Object.fromEntries(arrays)).map((d) => d.relative));
      expect(worst).toBeLessThan(1e-4);
      tf.dispose([inputs, live] as tf.TensorContainer);
    } finally {
      await opened.close();
    }
  });
});

/** Runs in the page, as its text: pure JavaScript, since a page without a graphics card has nothing faster that is exact. */
const inPage = `async (given) => {
  await tf.setBackend('cpu');
  const model = await tf.loadGraphModel('http://model.test/box_decoder/model.json');
  const inputs = Object.fromEntries(given.map(({ name, shape, data }) => [name, tf.tensor(data, shape)]));
  const { outputs } = model.modelSignature;
  const names = ['low_res_masks', 'iou_predictions'].map((name) => outputs[name].name);
  return model.execute(inputs, names).map((t) => [...t.dataSync()]);
}`;
