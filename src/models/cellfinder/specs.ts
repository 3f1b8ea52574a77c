import type { CellFinderConfig } from '../options.js';
import { headSpecs } from '../sam/maskDecoder.js';
import { STRIDE4_CHANNELS } from '../sam/stem.js';
import { addScoped, convSpecs, linearSpecs, normSpecs, type WeightSpecs, ZERO } from '../specs.js';

/** Bias of the class logits: a probability of one in a hundred at the start (Lin et al. 2017). */
const RARE = -Math.log(99);

/** Names and shapes below `cellfinder.decode_head`; the heads shared by all decoder layers are listed once, as index 0. @param hasStem whether the dense head also reads a convolutional stem */
export function cellfinderSpecs(config: CellFinderConfig, embedDim: number, hasStem = true): WeightSpecs {
  return config.proposals === 'dense' ? denseSpecs(config, embedDim, hasStem) : querySpecs(config, embedDim);
}

function querySpecs(config: CellFinderConfig, embedDim: number): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const dim = config.hiddenDim;
  specs.set('input_proj.0.0.weight', {
    shape: [dim, embedDim, 1, 1],
    init: { kind: 'xavier', fanIn: embedDim, fanOut: dim },
  });
  specs.set('input_proj.0.0.bias', { shape: [dim], init: ZERO });
  normSpecs(specs, 'input_proj.0.1', dim);
  const transformer: WeightSpecs = new Map();
  const blocks = config.attentionType === 'RCDA' ? 5 : 3;
  for (let i = 0; i < config.encLayers; i++)
    addScoped(transformer, `encoder_layers.${i}`, layerSpecs(config, { self_attn: blocks }));
  for (let i = 0; i < config.decLayers; i++) {
    addScoped(transformer, `decoder_layers.${i}`, layerSpecs(config, { cross_attn: blocks, self_attn: 3 }));
  }
  transformer.set('pattern.weight', {
    shape: [config.numQueryPattern, dim],
    init: { kind: 'normal', deviation: 1 },
  });
  if (config.spatialPrior === 'learned') {
    transformer.set('position.weight', {
      shape: [config.numQueryPosition, 2],
      init: { kind: 'uniform', low: 0, high: 1 },
    });
  }
  for (const name of ['adapt_pos2d', 'adapt_pos1d']) {
    linearSpecs(transformer, `${name}.0`, dim, dim);
    linearSpecs(transformer, `${name}.2`, dim, dim);
  }
  linearSpecs(transformer, 'class_embed.0', dim, config.numClasses);
  transformer.set('class_embed.0.bias', {
    shape: [config.numClasses],
    init: { kind: 'constant', value: RARE },
  });
  headSpecs(transformer, 'bbox_embed.0', dim, dim, 4, 3);
  transformer.set('bbox_embed.0.layers.2.weight', { shape: [4, dim], init: ZERO });
  transformer.set('bbox_embed.0.layers.2.bias', {
    shape: [4],
    init: { kind: 'values', values: [0, 0, -2, -2] },
  });
  addScoped(specs, 'transformer', transformer);
  return specs;
}

/** Attentions (name -> blocks of the in-projection), the norms that follow them, and the feed-forward part. */
function layerSpecs(config: CellFinderConfig, attentions: Readonly<Record<string, number>>): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const dim = config.hiddenDim;
  for (const [i, [name, blocks]] of Object.entries(attentions).entries()) {
    specs.set(`${name}.in_proj_weight`, {
      shape: [blocks * dim, dim],
      init: { kind: 'xavier', fanIn: dim, fanOut: blocks * dim },
    });
    specs.set(`${name}.in_proj_bias`, { shape: [blocks * dim], init: ZERO });
    linearSpecs(specs, `${name}.out_proj`, dim, dim);
    specs.set(`${name}.out_proj.bias`, { shape: [dim], init: ZERO });
    normSpecs(specs, `norm${i + 1}`, dim);
  }
  linearSpecs(specs, 'ffn.linear1', dim, config.dimFeedforward);
  linearSpecs(specs, 'ffn.linear2', config.dimFeedforward, dim);
  normSpecs(specs, 'ffn.norm2', dim);
  return specs;
}

function denseSpecs(config: CellFinderConfig, embedDim: number, hasStem: boolean): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const channels = config.denseChannels;
  normSpecs(specs, 'dense.norm', embedDim);
  linearSpecs(specs, 'dense.up', embedDim, 4 * channels);
  if (hasStem) linearSpecs(specs, 'dense.side', STRIDE4_CHANNELS, channels);
  convSpecs(specs, 'dense.conv', channels, channels, 3);
  normSpecs(specs, 'dense.conv_norm', channels);
  linearSpecs(specs, 'dense.score', channels, 1);
  specs.set('dense.score.bias', { shape: [1], init: { kind: 'constant', value: RARE } });
  specs.set('dense.box.weight', { shape: [4, channels], init: { kind: 'normal', deviation: 0.01 } });
  specs.set('dense.box.bias', { shape: [4], init: { kind: 'values', values: [0, 0, 1.4, 1.4] } });
  return specs;
}
