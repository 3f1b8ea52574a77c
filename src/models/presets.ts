import { ConfigError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import { type ModelConfig, modelOptions } from './options.js';

const sam = (embedDim: number, depth: number, numHeads: number, globalAttnIndexes: number[]) =>
  modelOptions.parse({
    vit: {
      imgSize: 1024,
      patchSize: 16,
      embedDim,
      depth,
      numHeads,
      outChans: 256,
      windowSize: 14,
      globalAttnIndexes,
    },
    promptEncoder: { embedDim: 256 },
    maskDecoder: { transformerDim: 256 },
    cellfinder: {},
  });

const small = (
  side: number,
  width: number,
  depth: number,
  heads: number,
  globals: number[],
  decoder: number,
) =>
  modelOptions.parse({
    vit: {
      imgSize: side,
      patchSize: 8,
      embedDim: width,
      depth,
      numHeads: heads,
      outChans: decoder,
      windowSize: 8,
      globalAttnIndexes: globals,
      stem: 'conv',
    },
    promptEncoder: { embedDim: decoder, maskInChans: 16, boxAsMask: true },
    maskDecoder: { transformerDim: decoder, numHeads: 4, mlpDim: 4 * decoder, iouHeadHiddenDim: decoder },
    cellfinder: {
      proposals: 'dense',
      hiddenDim: width,
      nheads: heads,
      encLayers: 1,
      decLayers: 2,
      dimFeedforward: 2 * width,
      numQueryPosition: 300,
      numClasses: 1,
      groupNormGroups: 8,
    },
  });

/**
 * Named sizes. `vit_b`, `vit_l`, `vit_h`: SAM's encoders (Kirillov et al. 2023) with CellSAM's detector on one shared ViT.
 * `cellsam`: the released layout, two ViTs. `vit_t`, `tiny`: for CPUs, with a convolutional stem and dense proposals.
 */
export const PRESETS: Readonly<Record<string, ModelConfig>> = {
  vit_b: sam(768, 12, 12, [2, 5, 8, 11]),
  vit_l: sam(1024, 24, 16, [5, 11, 17, 23]),
  vit_h: sam(1280, 32, 16, [7, 15, 23, 31]),
  cellsam: { ...sam(768, 12, 12, [2, 5, 8, 11]), layout: 'two', maskBranch: 'model_cp' },
  vit_t: small(256, 192, 6, 3, [2, 5], 128),
  small: small(256, 128, 3, 4, [2], 64),
  tiny: small(256, 96, 3, 3, [2], 64),
};

/** @throws ConfigError with the nearest known name */
export function preset(name: string): ModelConfig {
  const found = PRESETS[name];
  if (found === undefined) {
    throw new ConfigError(`there is no model preset \`${name}\`${didYouMean(name, Object.keys(PRESETS))}`, {
      where: 'model.preset',
      fix: `choose one of ${Object.keys(PRESETS).join(', ')}`,
    });
  }
  return found;
}
