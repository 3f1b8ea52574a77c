import { weightSpecs } from './cellsamSpecs.js';
import { estimateMemory } from './memory.js';
import type { ModelConfig, VitConfig } from './options.js';
import type { WeightSpecs } from './specs.js';
import {
  blockCost,
  type Cost,
  denseCost,
  detectorDecoderCost,
  detectorEncoderCost,
  gridOf,
  headsCost,
  inputProjectionCost,
  maskDecoderCost,
  neckCost,
  stemCost,
} from './summaryCosts.js';

const FLOAT = 4;

/** One part of a model, for one image (the mask decoder: one box). */
export interface LayerSummary {
  /** Prefix of its weights' names. */
  readonly name: string;
  readonly about: string;
  /** Of one image or prompt. */
  readonly output: readonly number[];
  /** Trained numbers; buffers are left out. */
  readonly parameters: number;
  /** Two for each multiply-add of projections, convolutions and attention. */
  readonly flops: number;
  /** What its backward pass reads. */
  readonly keptBytes: number;
}

/** A model's size and cost, calculated from its configuration alone. */
export interface ModelSummary {
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  /** Arrays and numbers in a file, buffers included, shared heads once. */
  readonly tensors: number;
  readonly elements: number;
  readonly flops: {
    readonly encode: number;
    readonly detect: number;
    readonly maskOfABox: number;
  };
  readonly bytes: {
    readonly weights: number;
    /** Encoding one image and detecting its cells. */
    readonly forward: number;
    /** A training step of one image and six boxes, everything trained with AdamW, all kept for the backward pass. */
    readonly training: number;
    /** The same with blocks computed again in the backward pass. */
    readonly trainingRecomputed: number;
  };
}

/** Sizes and costs of a model, part by part. Memory is that of the whole process, an estimate; see `estimateMemory`. */
export function summarise(config: ModelConfig): ModelSummary {
  const specs = weightSpecs(config);
  const layers = [...maskBranch(config), ...detector(config)].map(({ prefixes, output, about, cost }) => ({
    name: prefixes[0] as string,
    about,
    output,
    parameters: count(specs, prefixes),
    flops: 2 * cost.multiplyAdds,
    keptBytes: FLOAT * cost.kept,
  }));
  const elements = sum([...specs.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
  const weights = FLOAT * elements;
  const flopsOf = (pattern: RegExp) => sum(layers.filter((l) => pattern.test(l.name)).map((l) => l.flops));
  const step = { what: 'joint', batchSize: 1, prompts: 6 } as const;
  return {
    layers,
    parameters: count(specs, ['']),
    tensors: specs.size,
    elements,
    flops: {
      encode: flopsOf(/image_encoder|backbone\.body/),
      detect: flopsOf(/^cellfinder(?!.*backbone\.body)/),
      maskOfABox: flopsOf(/mask_decoder/),
    },
    bytes: {
      weights,
      forward: estimateMemory(config, { what: 'forward', batchSize: 1 }).total,
      training: estimateMemory(config, { ...step, recompute: false }).total,
      trainingRecomputed: estimateMemory(config, { ...step, recompute: true }).total,
    },
  };
}

interface Part {
  /** The first names the part; the others' weights belong to it too. */
  readonly prefixes: readonly string[];
  readonly about: string;
  readonly output: readonly number[];
  readonly cost: Cost;
}

function maskBranch({ maskBranch: branch, vit, promptEncoder, maskDecoder }: ModelConfig): Part[] {
  const grid = gridOf(vit);
  const encoder = `${branch}.image_encoder`;
  return [
    ...vitParts(encoder, vit),
    { prefixes: [`${encoder}.neck`], about: 'neck', output: [grid, grid, vit.outChans], cost: neckCost(vit) },
    {
      prefixes: [`${branch}.prompt_encoder`],
      about: 'one box',
      output: [2, promptEncoder.embedDim],
      cost: { multiplyAdds: 0, kept: 0 },
    },
    {
      prefixes: [`${branch}.mask_decoder`],
      about: 'one box',
      output: [4 * grid, 4 * grid, 1],
      cost: maskDecoderCost(maskDecoder, grid),
    },
  ];
}

function vitParts(prefix: string, vit: VitConfig): Part[] {
  const grid = gridOf(vit);
  const output = [grid, grid, vit.embedDim];
  const stem = vit.stem === 'conv' ? 'stem' : 'patch_embed';
  const blocks = Array.from({ length: vit.depth }, (_, i) => {
    const window = vit.globalAttnIndexes.includes(i) ? 0 : vit.windowSize;
    const about = window === 0 ? 'global attention' : `windows of ${window}`;
    return { prefixes: [`${prefix}.blocks.${i}`], about, output, cost: blockCost(vit, window) };
  });
  const prefixes = [`${prefix}.${stem}`, `${prefix}.pos_embed`];
  return [{ prefixes, about: 'pixels to tokens', output, cost: stemCost(vit) }, ...blocks];
}

function detector({ layout, vit, cellfinder: config }: ModelConfig): Part[] {
  const head = 'cellfinder.decode_head';
  const own = layout === 'two' ? vitParts(`${head}.backbone.body`, vit) : [];
  const grid = gridOf(vit);
  if (config.proposals === 'dense') {
    const output = [4 * grid ** 2, 5];
    return [
      ...own,
      {
        prefixes: [`${head}.dense`],
        about: 'score and box of every cell',
        output,
        cost: denseCost(config, vit),
      },
    ];
  }
  const { hiddenDim: dim, encLayers, decLayers, numClasses } = config;
  const points =
    config.spatialPrior === 'grid'
      ? Math.round(Math.sqrt(config.numQueryPosition)) ** 2
      : config.numQueryPosition;
  const queries = points * config.numQueryPattern;
  const transformer = `${head}.transformer`;
  const about = config.attentionType === 'RCDA' ? 'rows and columns' : 'plain attention';
  const layers = (kind: string, length: number, output: readonly number[], cost: Cost): Part[] =>
    Array.from({ length }, (_, i) => ({ prefixes: [`${transformer}.${kind}.${i}`], about, output, cost }));
  return [
    ...own,
    {
      prefixes: [`${head}.input_proj`],
      about: 'tokens to the detector',
      output: [grid, grid, dim],
      cost: inputProjectionCost(config, vit),
    },
    ...layers('encoder_layers', encLayers, [grid, grid, dim], detectorEncoderCost(config, grid)),
    ...layers('decoder_layers', decLayers, [queries, dim], detectorDecoderCost(config, queries, grid)),
    {
      prefixes: ['class_embed', 'bbox_embed', 'pattern', 'position', 'adapt_pos1d', 'adapt_pos2d'].map(
        (name) => `${transformer}.${name}`,
      ),
      about: 'heads and positions',
      output: [decLayers, queries, numClasses + 4],
      cost: headsCost(config, queries),
    },
  ];
}

/** Trained numbers of all weights whose names begin with one of the prefixes. */
function count(specs: WeightSpecs, prefixes: readonly string[]): number {
  const isWithin = (name: string) => prefixes.some((p) => p === '' || name === p || name.startsWith(`${p}.`));
  return sum(
    [...specs].map(([name, { shape, isTrainable }]) =>
      isTrainable !== false && isWithin(name) ? shape.reduce((a, b) => a * b, 1) : 0,
    ),
  );
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
