import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { SetupError, WeightsError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { exportModel } from '../../src/export/exportModel.js';
import { CellSam } from '../../src/models/cellsam.js';
import { modelOptions } from '../../src/models/options.js';
import { preset } from '../../src/models/presets.js';
import type { Prompt } from '../../src/models/types.js';
import { OnnxEngine } from '../../src/segment/engines/onnx.js';
import { TensorFlowEngine } from '../../src/segment/engines/tensorflow.js';
import { openOnnx } from '../../src/segment/loadCellSam.js';
import { frameOf, stretchOf } from '../../src/segment/preprocess.js';

const out = mkdtempSync(join(tmpdir(), 'engine-'));
afterAll(() => rmSync(out, { recursive: true }));

/** Dense proposals and boxes as masks, as the shipped model; and learned queries with the plain decoder, as CellSAM. */
const tiny = preset('tiny');
const small = { ...tiny, vit: { ...tiny.vit, imgSize: 64, depth: 1, globalAttnIndexes: [0] } };
const forms = {
  dense: small,
  queries: modelOptions.parse({
    ...small,
    promptEncoder: { ...small.promptEncoder, boxAsMask: false },
    cellfinder: { ...small.cellfinder, proposals: 'learned', numQueryPosition: 9, attentionType: 'RCDA' },
  }),
  'two encoders': modelOptions.parse({
    ...small,
    layout: 'two',
    maskBranch: 'model_cp',
    vit: { ...small.vit, stem: 'patch' },
    promptEncoder: { ...small.promptEncoder, boxAsMask: false },
    cellfinder: { ...small.cellfinder, proposals: 'learned', numQueryPosition: 9 },
  }),
};

test.each(Object.entries(forms))(
  'with %s both engines give the same detections and masks of every kind of prompt',
  async (name, config) => {
    const model = CellSam.create(config, new Random(name));
    const folder = join(out, name);
    await exportModel(model, { to: ['onnx'], out: folder, images: [], masks: 'all' });
    const live = new TensorFlowEngine(model);
    const { engine } = await OnnxEngine.open(join(folder, 'onnx'));
    expect([engine.side, engine.maskSide, engine.hasDynamicThreshold]).toEqual([
      live.side,
      live.maskSide,
      live.hasDynamicThreshold,
    ]);
    const { image } = simulate({ modality: 'fluorescence', side: 64, seed: 4 });
    const one = frameOf(image, stretchOf(image), live, 'pad').data;
    const frames = new Float32Array([...one, ...one.toReversed()]);
    const prompts: Prompt[] = [
      { kind: 'box', xyxy: [3, 5, 30, 28] },
      { kind: 'points', xy: Float32Array.of(9, 9, 40, 20), inside: Uint8Array.of(1, 0) },
      { kind: 'mask', logits: Float32Array.from({ length: live.maskSide ** 2 }, (_, i) => (i % 7) - 3) },
      { kind: 'points', xy: Float32Array.of(50, 9), inside: Uint8Array.of(1) },
    ];
    const results = [];
    const boxes: (readonly number[])[][] = [];
    for (const used of [live, engine]) {
      const embedding = await used.encode(frames, 2, frames.toReversed());
      const [, detection] = await used.detect(embedding, 1);
      const [first, second] = await used.decode(embedding, [prompts, prompts.slice(0, 1)]);
      used.release(embedding);
      boxes.push(rows(detection?.boxes.xyxy ?? []));
      results.push([detection?.scores, first?.data, first?.quality, second?.data]);
    }
    for (const [i, wanted] of (results[0] ?? []).entries()) {
      const found = results[1]?.[i] as Float32Array;
      const largest = (wanted as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      const worst = (wanted as Float32Array).reduce(
        (m, v, k) => Math.max(m, Math.abs(v - (found[k] as number))),
        0,
      );
      expect(found).toHaveLength((wanted as Float32Array).length);
      expect(worst).toBeLessThanOrEqual(1e-4 * largest);
    }
    // As a set: scores that are almost equal may change places.
    const [wanted = [], found = []] = boxes;
    expect(found).toHaveLength(wanted.length);
    const distance = (a: readonly number[], b: readonly number[]) =>
      Math.max(...a.map((v, i) => Math.abs(v - (b[i] as number))));
    for (const box of wanted)
      expect(Math.min(...found.map((other) => distance(box, other)))).toBeLessThan(1e-4 * 64);
    engine.dispose();
    model.dispose();
  },
  120_000,
);

const rows = (xyxy: ArrayLike<number>): (readonly number[])[] =>
  Array.from({ length: xyxy.length / 4 }, (_, i) => Array.from(xyxy).slice(4 * i, 4 * i + 4));

test('a folder without a model is refused, and so is a file that is no graph', async () => {
  await expect(openOnnx(join(out, 'nothing'))).rejects.toThrow(WeightsError);
  const folder = join(out, 'dense', 'onnx');
  writeFileSync(join(folder, 'encoder.onnx'), 'no graph');
  await expect(openOnnx(folder)).rejects.toThrow(SetupError);
});
