import type { CellFinderConfig, MaskDecoderConfig, VitConfig } from './options.js';
import { STRIDE4_CHANNELS } from './sam/stem.js';

/** What one part of a model costs for one image (the mask decoder: one box), in counts of numbers and products. */
export interface Cost {
  /** Multiply-adds of projections, convolutions and attention; norms, softmax and activations are left out. */
  readonly multiplyAdds: number;
  /** Numbers that its backward pass reads; attention scores are made anew in ranges and do not count. */
  readonly kept: number;
}

const linear = (rows: number, inputs: number, outputs: number): number => rows * inputs * outputs;

/** Tokens a side. */
export const gridOf = (vit: VitConfig): number => vit.imgSize / vit.patchSize;

/** Patch embedding or convolutional stem. */
export function stemCost(vit: VitConfig): Cost {
  const { embedDim, imgSize, patchSize, stem } = vit;
  const tokens = gridOf(vit) ** 2;
  const pixels = imgSize ** 2;
  if (stem === 'patch') {
    const out = tokens * embedDim;
    return {
      multiplyAdds: linear(tokens, 3 * patchSize ** 2, embedDim),
      kept: out,
    };
  }
  const widths = [3, 32, 64, 128];
  let multiplyAdds = linear(tokens, 128, embedDim);
  let kept = tokens * embedDim;
  for (let i = 1; i < widths.length; i++) {
    const cells = pixels / 4 ** i;
    multiplyAdds += linear(cells, 9 * (widths[i - 1] as number), widths[i] as number);
    kept += 3 * cells * (widths[i] as number); // convolution, norm, activation
  }
  return { multiplyAdds, kept };
}

/** One transformer block. @param window side of the attention windows; 0 for global attention */
export function blockCost(vit: VitConfig, window: number): Cost {
  const grid = gridOf(vit);
  const dim = vit.embedDim;
  const hidden = Math.floor(dim * vit.mlpRatio);
  const tokens = grid ** 2;
  const side = window === 0 ? grid : window;
  const padded = window === 0 ? tokens : (Math.ceil(grid / window) * window) ** 2;
  const attention =
    linear(padded, dim, 3 * dim) +
    linear(padded, dim, dim) +
    2 * padded * side ** 2 * dim +
    (vit.useRelPos ? 2 * padded * side * dim : 0);
  return {
    multiplyAdds: attention + 2 * linear(tokens, dim, hidden),
    kept: 3 * tokens * dim + 5 * padded * dim + 2 * tokens * hidden,
  };
}

export function neckCost(vit: VitConfig): Cost {
  const tokens = gridOf(vit) ** 2;
  const { embedDim, outChans } = vit;
  const map = tokens * outChans;
  return {
    multiplyAdds: linear(tokens, embedDim, outChans) + linear(tokens, 9 * outChans, outChans),
    kept: 3 * map,
  };
}

/** Mask decoder for one box. @param grid tokens a side */
export function maskDecoderCost(config: MaskDecoderConfig, grid: number): Cost {
  const { transformerDim: dim, depth, mlpDim, attentionDownsampleRate, numMultimaskOutputs } = config;
  const image = grid ** 2;
  const tokens = 1 + numMultimaskOutputs + 1 + 2;
  const inner = dim / attentionDownsampleRate;
  const cross = (queries: number, keys: number) =>
    2 * linear(queries, dim, inner) + 2 * linear(keys, dim, inner) + 2 * queries * keys * inner;
  const own = 4 * linear(tokens, dim, dim) + 2 * tokens ** 2 * dim;
  const layer = own + cross(tokens, image) + 2 * linear(tokens, dim, mlpDim) + cross(image, tokens);
  const upscaled = linear(image, dim, dim) + linear(4 * image, dim / 4, dim / 2);
  const masks = 16 * image * (dim / 8);
  return {
    multiplyAdds: depth * layer + cross(tokens, image) + upscaled + masks,
    kept: depth * image * (2 * dim + 4 * inner) + 2 * image * inner + 3 * image * dim + 3 * masks,
  };
}

export function inputProjectionCost(config: CellFinderConfig, vit: VitConfig): Cost {
  const tokens = gridOf(vit) ** 2;
  const map = tokens * config.hiddenDim;
  return {
    multiplyAdds: linear(tokens, vit.embedDim, config.hiddenDim),
    kept: 2 * map,
  };
}

/** One encoder layer of the detector. @param grid tokens a side */
export function detectorEncoderCost(config: CellFinderConfig, grid: number): Cost {
  const tokens = grid ** 2;
  return withFeedForward(config, tokens, attentionCost(config, tokens, grid));
}

/** One decoder layer of the detector. */
export function detectorDecoderCost(config: CellFinderConfig, queries: number, grid: number): Cost {
  const dim = config.hiddenDim;
  const own = 4 * linear(queries, dim, dim) + 2 * queries ** 2 * dim;
  const cross = withFeedForward(config, queries, attentionCost(config, queries, grid));
  return {
    multiplyAdds: cross.multiplyAdds + own,
    kept: cross.kept + 6 * queries * dim,
  };
}

function withFeedForward(config: CellFinderConfig, queries: number, attention: Cost): Cost {
  const { hiddenDim: dim, dimFeedforward: hidden } = config;
  return {
    multiplyAdds: attention.multiplyAdds + 2 * linear(queries, dim, hidden),
    kept: attention.kept + queries * (3 * dim + 2 * hidden),
  };
}

/** Attention of queries over the tokens; of rows and columns, or plain. */
function attentionCost(
  { hiddenDim: dim, attentionType }: CellFinderConfig,
  queries: number,
  grid: number,
): Cost {
  const tokens = grid ** 2;
  if (attentionType !== 'RCDA') {
    const multiplyAdds =
      2 * linear(queries, dim, dim) + 2 * linear(tokens, dim, dim) + 2 * queries * tokens * dim;
    return {
      multiplyAdds,
      kept: (3 * queries + 2 * tokens) * dim,
    };
  }
  const projections = 3 * linear(queries, dim, dim) + linear(tokens, dim, dim) + 2 * linear(grid, dim, dim);
  const along = 2 * queries * grid * dim; // weights along the rows and along the columns
  const contraction = queries * grid * grid * dim + queries * grid * dim;
  return {
    multiplyAdds: projections + along + contraction,
    kept: 3 * queries * dim + 2 * tokens * dim,
  };
}

/** Class and box heads on the queries of all decoder layers. */
export function headsCost(config: CellFinderConfig, queries: number): Cost {
  const { hiddenDim: dim, numClasses, decLayers } = config;
  const rows = queries * decLayers;
  return {
    multiplyAdds: linear(rows, dim, numClasses) + 2 * linear(rows, dim, dim) + linear(rows, dim, 4),
    kept: 3 * rows * dim,
  };
}

/** The dense head, on a grid twice as fine as the tokens. */
export function denseCost(config: CellFinderConfig, vit: VitConfig): Cost {
  const tokens = gridOf(vit) ** 2;
  const channels = config.denseChannels;
  const map = 4 * tokens * channels;
  return {
    multiplyAdds:
      linear(tokens, vit.embedDim, 4 * channels) +
      linear(4 * tokens, STRIDE4_CHANNELS, channels) +
      linear(4 * tokens, 9 * channels, channels) +
      linear(4 * tokens, channels, 5),
    kept: 5 * map,
  };
}
