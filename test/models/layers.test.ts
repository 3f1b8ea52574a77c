import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  CellFinderLayer,
  ImageEncoderLayer,
  MaskDecoderLayer,
  modelOptions,
  PromptEncoderLayer,
} from '../../src/models/index.js';
import { isNative, tf } from '../../src/tf/index.js';

const config = modelOptions.parse({
  vit: { imgSize: 32, patchSize: 8, embedDim: 16, depth: 2, numHeads: 2, outChans: 16, windowSize: 3, globalAttnIndexes: [1] }, // biome-ignore format: sizes
  promptEncoder: { embedDim: 16, maskInChans: 8 },
  maskDecoder: { transformerDim: 16, numHeads: 2, mlpDim: 24, iouHeadHiddenDim: 16 },
  cellfinder: { hiddenDim: 16, nheads: 2, encLayers: 1, decLayers: 2, dimFeedforward: 24, numQueryPosition: 9, numQueryPattern: 2, groupNormGroups: 4 }, // biome-ignore format: sizes
});

function build(attentionType: 'RCDA' | 'nn.MultiheadAttention'): tf.LayersModel {
  const images = tf.input({ shape: [32, 32, 3], name: `images_${attentionType.length}` });
  const boxes = tf.input({ shape: [4], name: `boxes_${attentionType.length}` });
  const [tokens, embedding] = new ImageEncoderLayer({ config: config.vit }).apply(images) as [
    tf.SymbolicTensor,
    tf.SymbolicTensor,
  ];
  const prompts = new PromptEncoderLayer({
    config: config.promptEncoder,
    imageHeight: 32,
    imageWidth: 32,
    patchSize: 8,
  }).apply(boxes) as tf.SymbolicTensor[];
  const masks = new MaskDecoderLayer({ config: config.maskDecoder }).apply([embedding, ...prompts]);
  const cells = new CellFinderLayer({
    config: { ...config.cellfinder, attentionType, spatialPrior: 'grid' },
  }).apply(tokens);
  return tf.model({
    inputs: [images, boxes],
    outputs: [...(masks as tf.SymbolicTensor[]), ...(cells as tf.SymbolicTensor[])],
  });
}

const whereFilesAre = isNative() ? describe : describe.skip;
whereFilesAre('the layers in a LayersModel', () => {
  test.each([['RCDA'], ['nn.MultiheadAttention']] as const)(
    'with %s attention: summary, save and reload give the same outputs and shapes',
    async (attentionType) => {
      const folder = await mkdtemp(join(tmpdir(), 'cellsam-layers-'));
      const before = tf.memory().numTensors;
      try {
        const model = build(attentionType);
        const lines: string[] = [];
        model.summary(110, undefined, (line: unknown) => lines.push(String(line)));
        expect(lines.join('\n')).toContain('image_encoder_layer');
        const images = tf.randomNormal([2, 32, 32, 3], 0, 1, 'float32', 5);
        const boxes = tf.tensor2d([2, 3, 20, 18, 8, 9, 30, 31], [2, 4]);
        const first = model.predict([images, boxes]) as tf.Tensor[];
        await model.save(`file://${folder}`);
        const again = await tf.loadLayersModel(`file://${folder}/model.json`);
        const second = again.predict([images, boxes]) as tf.Tensor[];
        expect(first.map((t) => t.shape)).toEqual([
          [2, 16, 16, 1],
          [2, 1],
          [2, 2, 18, 2],
          [2, 2, 18, 4],
        ]);
        expect(again.outputs.map((o) => o.shape.slice(1))).toEqual(first.map((t) => t.shape.slice(1)));
        for (const [i, t] of first.entries()) {
          expect([...t.dataSync()].some((v) => v !== 0)).toBe(true);
          expect([...(second[i] as tf.Tensor).dataSync()]).toEqual([...t.dataSync()]);
        }
        tf.dispose([images, boxes, ...first, ...second]);
        model.dispose();
        again.dispose();
        expect(tf.memory().numTensors).toBe(before);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
