import { Random } from '../../src/core/random.js';
import { batchAt } from '../../src/data/batches.js';
import { prepareFields } from '../../src/data/prepared.js';
import type { Batch, Cursor } from '../../src/data/sample.js';
import { simulate } from '../../src/data/simulate/simulate.js';
import { type ModelConfig, modelOptions } from '../../src/models/options.js';
import { PRESETS } from '../../src/models/presets.js';

/** Changes that make of the tiny preset a model whose steps take milliseconds. */
export const MINUTE = {
  vit: { embedDim: 24, depth: 1, globalAttnIndexes: [0], outChans: 16 },
  promptEncoder: { embedDim: 16 },
  maskDecoder: { transformerDim: 16, mlpDim: 32, iouHeadHiddenDim: 16 },
  cellfinder: { denseChannels: 16 },
};

/** The tiny preset with those changes. */
export function tinyConfig(imgSize = 64): ModelConfig {
  const tiny = PRESETS['tiny'] as ModelConfig;
  return {
    ...tiny,
    vit: { ...tiny.vit, ...MINUTE.vit, imgSize },
    promptEncoder: { ...tiny.promptEncoder, ...MINUTE.promptEncoder },
    maskDecoder: { ...tiny.maskDecoder, ...MINUTE.maskDecoder },
    cellfinder: { ...tiny.cellfinder, ...MINUTE.cellfinder },
  };
}

/** The released layout with two encoders and learned queries, small. @param decLayers decoder layers of the detector */
export function twoEncoderConfig(decLayers = 1): ModelConfig {
  return modelOptions.parse({
    layout: 'two',
    maskBranch: 'model_cp',
    vit: { imgSize: 32, patchSize: 8, embedDim: 16, depth: 1, numHeads: 2, outChans: 16, windowSize: 3, globalAttnIndexes: [] }, // biome-ignore format: sizes
    promptEncoder: { embedDim: 16, maskInChans: 8 },
    maskDecoder: { transformerDim: 16, numHeads: 2, mlpDim: 24, iouHeadHiddenDim: 16 },
    cellfinder: { hiddenDim: 16, nheads: 2, encLayers: 1, decLayers, dimFeedforward: 24, numQueryPosition: 9, groupNormGroups: 4 }, // biome-ignore format: sizes
  });
}

/** A model with learned queries that is as small as can be, at 32 x 32. */
export function queryConfig(
  attentionType: 'RCDA' | 'nn.MultiheadAttention',
  {
    depth,
    encLayers,
    decLayers,
  }: { readonly depth: number; readonly encLayers: number; readonly decLayers: number },
): ModelConfig {
  return modelOptions.parse({
    vit: { imgSize: 32, patchSize: 8, embedDim: 12, depth, numHeads: 2, outChans: 8, windowSize: 3, globalAttnIndexes: [depth - 1] }, // biome-ignore format: sizes
    promptEncoder: { embedDim: 8, maskInChans: 4 },
    maskDecoder: { transformerDim: 8, numHeads: 2, mlpDim: 12, iouHeadHiddenDim: 8 },
    cellfinder: { hiddenDim: 8, nheads: 2, encLayers, decLayers, dimFeedforward: 12, numQueryPosition: 7, groupNormGroups: 2, attentionType }, // biome-ignore format: sizes
  });
}

/** Batches of simulated fields, by cursor, as the trainer asks for them. */
export async function tinyBatches(size: number, imgSize = 64, count = 4): Promise<(cursor: Cursor) => Batch> {
  const samples = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      simulate({ modality: 'fluorescence', side: imgSize, seed: `t/${i}` }),
    ),
  );
  const { pixelMean, pixelStd } = tinyConfig(imgSize);
  const view = { side: imgSize, scale: [1, 1] as [number, number], pixelMean, pixelStd };
  const fields = prepareFields(samples);
  return (cursor) => batchAt(fields, cursor, size, view, new Random(1));
}
