import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkInPython, writeCases } from '../../scripts/export/python.js';
import {
  type Golden,
  type GoldenConfig,
  loadGolden,
  modelInput,
  tensorOf,
} from '../../scripts/parity/golden.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { exportModel, programsOf } from '../../src/export/exportModel.js';
import { toOnnx } from '../../src/export/onnx/convert.js';
import { quantiseInt8, storeFloat16 } from '../../src/export/onnx/smaller.js';
import { writeOnnx } from '../../src/export/onnx/write.js';
import { target as onnx } from '../../src/export/targets/onnx.js';
import { type Case, CaseMaker } from '../../src/export/verify/cases.js';
import { differences, toArrays } from '../../src/export/verify/difference.js';
import { traceProgram } from '../../src/graph/trace/trace.js';
import { OnnxSession, type SessionArray, type SessionArrays } from '../../src/segment/engines/onnxSession.js';
import { tf } from '../../src/tf/index.js';
import { testWithPython } from '../support/python.js';

const stem = 'test/fixtures/golden/a';
const out = mkdtempSync(join(tmpdir(), 'export-'));
const file = (name: string) => join(out, 'onnx', `${name}.onnx`);
const images = [
  simulate({ modality: 'fluorescence', side: 70, seed: 1 }).image,
  simulate({ modality: 'phase', side: 90, seed: 2 }).image,
];
let golden: Golden;

beforeAll(async () => {
  golden = await loadGolden(stem, JSON.parse(readFileSync(`${stem}.config.json`, 'utf8')) as GoldenConfig);
});
afterAll(() => {
  golden.model.dispose();
  rmSync(out, { recursive: true });
});

const array = (shape: readonly number[], data: Iterable<number>): SessionArray => ({
  shape,
  dtype: 'float32',
  data: Float32Array.from(data),
});
const expected = (name: string): SessionArray => {
  const { shape, data } = golden.input(name);
  return array(shape, Array.from(data, Number));
};
const worst = (wanted: SessionArrays, found: SessionArrays): number =>
  Math.max(...differences(wanted, found).map((d) => d.relative));

async function run(program: string, inputs: SessionArrays): Promise<SessionArrays> {
  const session = await OnnxSession.open(file(program));
  try {
    return await session.run(inputs);
  } finally {
    await session.dispose();
  }
}

describe('the golden model as ONNX', () => {
  test('every output equals the live model at 1, 7 and 64 prompts and both batch sizes', async () => {
    const { comparisons, files } = await exportModel(golden.model, {
      to: ['onnx'],
      out,
      images,
      masks: 'all',
    });
    expect(files).toHaveLength(4);
    expect(new Set(comparisons.map((c) => c.case.split(',')[0]))).toEqual(
      new Set(['batch 1', 'batch 2', 'P 1', 'P 7', 'P 64']),
    );
    expect(Math.max(...comparisons.map((c) => c.relative))).toBeLessThan(1e-4);
    const stored = JSON.parse(readFileSync(join(out, 'verification.json'), 'utf8'));
    expect(stored.comparisons).toEqual(JSON.parse(JSON.stringify(comparisons)));
  }, 120_000);

  test('the encoder gives the golden embedding and tokens', async () => {
    const { images: input } = modelInput(golden, golden.config.inputs.forward_images);
    const image = toArrays({ image: input.transpose([0, 3, 1, 2]) })['image'] as SessionArray;
    const found = await run('encoder', { image });
    const wanted = {
      image_embeddings: expected('out.vit.neck'),
      detector_tokens: expected('out.vit.blocks.2'),
    };
    expect(worst(wanted, found)).toBeLessThan(2e-4);
  });

  test('the detector gives the golden logits and boxes of padded images', async () => {
    const { forward_images: indexes } = golden.config.inputs;
    const valid = golden.input('in.valid').data;
    const size = indexes.flatMap((i) => [Number(valid[2 * i]), Number(valid[2 * i + 1])]);
    const tokens = expected('out.vit.blocks.2');
    const found = await run('detector', { detector_tokens: tokens, content_size: array([2, 2], size) });
    const last = (name: string) => {
      const { shape, data } = golden.input(name);
      const each = data.length / (shape[0] as number);
      return array(shape.slice(1), Array.from(data, Number).slice(-each));
    };
    const logits = last('out.cellfinder.logits');
    const centred = last('out.cellfinder.boxes');
    const corners = [...centred.data.keys()].map((i) => {
      const [k, corner] = [i - (i % 4), i % 4];
      const [middle, size] = [centred.data[k + (corner % 2)], centred.data[k + 2 + (corner % 2)]];
      return 80 * (Number(middle) + (corner < 2 ? -0.5 : 0.5) * Number(size));
    });
    expect(worst({ logits, boxes: array(centred.shape, corners) }, found)).toBeLessThan(2e-4);
    const best = Array.from({ length: logits.data.length / 2 }, (_, q) =>
      Math.max(Number(logits.data[2 * q]), Number(logits.data[2 * q + 1])),
    );
    const scores = array(
      logits.shape.slice(0, 2),
      best.map((v) => 1 / (1 + Math.exp(-v))),
    );
    expect(worst({ scores }, found)).toBeLessThan(2e-4);
  });

  test.each(['points', 'boxes', 'points_boxes_mask'] as const)(
    'the decoder gives the golden masks of %s under segment-anything’s names',
    async (name) => {
      const found = await run('decoder', decoderInputs(name));
      for (const [part, from, to] of [
        ['single', 0, 1],
        ['multi', 1, 4],
      ] as const) {
        const cut = ({ shape, data }: SessionArray) => {
          const [n = 1, m = 1, ...rest] = shape;
          const each = data.length / (n * m);
          const kept = Array.from(data, Number).filter((_, i) => {
            const mask = Math.floor(i / each) % m;
            return mask >= from && mask < to;
          });
          return array([n, to - from, ...rest], kept);
        };
        const wanted = {
          low_res_masks: expected(`out.decoder.${name}.${part}.masks`),
          iou_predictions: expected(`out.decoder.${name}.${part}.iou`),
        };
        const got = Object.fromEntries(
          Object.keys(wanted).map((key) => [key, cut(found[key] as SessionArray)]),
        );
        expect(worst(wanted, got)).toBeLessThan(2e-4);
      }
    },
  );

  test('one prompt has the shapes of segment-anything’s example', async () => {
    const session = await OnnxSession.open(file('decoder'));
    expect(session.inputNames).toEqual([
      'image_embeddings',
      'point_coords',
      'point_labels',
      'mask_input',
      'has_mask_input',
      'orig_im_size',
    ]);
    const found = await session.run({
      image_embeddings: embedding(),
      point_coords: array([1, 2, 2], [30, 40, 0, 0]),
      point_labels: array([1, 2], [1, -1]),
      mask_input: array([1, 1, 40, 40], new Float32Array(1600)),
      has_mask_input: array([1], [0]),
      orig_im_size: array([2], [150, 100]),
    });
    await session.dispose();
    expect(Object.entries(found).map(([name, { shape }]) => [name, shape])).toEqual([
      ['masks', [1, 4, 150, 100]],
      ['iou_predictions', [1, 4]],
      ['low_res_masks', [1, 4, 40, 40]],
    ]);
  });

  test('tracing without computing gives the same bytes; smaller and divided files give nearly the same numbers', async () => {
    const boxes = programsOf(golden.model).find((p) => p.name === 'box_decoder');
    if (boxes === undefined) throw new Error('no box decoder');
    const graph = traceProgram(boxes);
    const path = (name: string) => join(out, `${name}.onnx`);
    await writeOnnx(toOnnx(graph), path('dry'));
    await writeOnnx(toOnnx(traceProgram(boxes, false)), path('computed'));
    expect(readFileSync(path('dry')).equals(readFileSync(path('computed')))).toBe(true);

    const [half, bytes] = [toOnnx(graph), toOnnx(graph)];
    expect(storeFloat16(half)).toBeGreaterThan(20);
    expect(quantiseInt8(bytes)).toBeGreaterThan(20);
    await writeOnnx(half, path('float16'));
    await writeOnnx(bytes, path('int8'));
    const external = await writeOnnx(toOnnx(graph), path('external'), {}, 0);
    expect(external.external).toBe(`${path('external')}.data`);
    const inputs = boxes.inputs({ P: 3 });
    const results = boxes.run(inputs, { P: 3 });
    for (const [name, low, high] of [
      ['external', 0, 1e-5],
      ['float16', 1e-5, 5e-3],
      ['int8', 1e-4, 0.2],
    ] as const) {
      const session = await OnnxSession.open(path(name));
      const difference = worst(toArrays(results), await session.run(toArrays(inputs)));
      await session.dispose();
      expect(difference).toBeGreaterThanOrEqual(low);
      expect(difference).toBeLessThan(high);
    }
    tf.dispose([...Object.values(inputs), ...Object.values(results)]);
  });

  testWithPython('Python’s checker and runtime agree', ['onnx', 'onnxruntime'], async () => {
    // Those of other targets have no file in this folder.
    const programs = programsOf(golden.model, 'all').filter(({ name }) => onnx.programs.includes(name));
    const cases: Case[] = [];
    for await (const each of new CaseMaker(golden.model, images).cases(programs)) cases.push(each);
    const large = join(out, 'large');
    await exportModel(golden.model, { to: ['onnx'], out: large, images: [], masks: 'all', weightsUpTo: 0 });
    expect(readdirSync(join(large, 'onnx')).filter((name) => name.endsWith('.onnx.data'))).toHaveLength(4);
    const file = join(out, 'cases.safetensors');
    await writeCases(file, cases, (program) => program);
    for (const place of [out, large]) {
      const found = checkInPython('onnx', join(place, 'onnx'), file);
      expect(found.length).toBeGreaterThan(15);
      expect(Math.max(...found.map((f) => f.relative))).toBeLessThan(1e-4);
    }
  });
});

const embedding = (): SessionArray => {
  const { shape, data } = golden.input('out.vit.neck');
  const each = data.length / (shape[0] as number);
  return array([1, ...shape.slice(1)], Array.from(data, Number).slice(0, each));
};

/** The golden prompts as segment-anything's callers give them. */
function decoderInputs(name: 'points' | 'boxes' | 'points_boxes_mask'): SessionArrays {
  return tf.tidy(() => {
    const points = tensorOf(golden.input('in.prompt.points')) as tf.Tensor3D;
    const labels = tensorOf(golden.input('in.prompt.point_labels')) as tf.Tensor2D;
    const boxes = tensorOf(golden.input('in.prompt.boxes'));
    const [p] = points.shape;
    const n = name === 'boxes' ? (boxes.shape[0] as number) : p;
    const corners = boxes.slice([0, 0], [n, 4]).reshape([n, 2, 2]) as tf.Tensor3D;
    const kinds = tf.tensor2d([[2, 3]]).tile([n, 1]) as tf.Tensor2D;
    const [coords, marks] = {
      points: [tf.concat([points, tf.zeros([p, 1, 2])], 1), tf.concat([labels, tf.fill([p, 1], -1)], 1)],
      boxes: [corners, kinds],
      points_boxes_mask: [
        tf.concat([points, corners.slice(0, p)], 1),
        tf.concat([labels, kinds.slice(0, p)], 1),
      ],
    }[name] as [tf.Tensor, tf.Tensor];
    const hasMask = name === 'points_boxes_mask';
    return {
      ...toArrays({ point_coords: coords, point_labels: marks }),
      image_embeddings: embedding(),
      mask_input: hasMask ? expected('in.prompt.mask') : array([n, 1, 40, 40], new Float32Array(n * 1600)),
      has_mask_input: array([1], [hasMask ? 1 : 0]),
      orig_im_size: array([2], [64, 50]),
    } as never;
  }) as unknown as SessionArrays;
}
