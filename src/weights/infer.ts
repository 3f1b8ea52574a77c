import type { ArrayInfo } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { BODY, DETECTOR } from '../models/cellsamSpecs.js';
import { type ModelConfig, modelOptions } from '../models/options.js';
import { PRESETS } from '../models/presets.js';

type Shapes = ReadonlyMap<string, Pick<ArrayInfo, 'shape'>>;
type Size = (name: string, axis: number) => number | undefined;

export interface Inferred {
  readonly config: ModelConfig;
  /** Settings that names and shapes cannot tell and no published model of these sizes settles. */
  readonly assumed: readonly string[];
}

/**
 * The configuration of a model from the names and shapes of its weights; sizes of a published model get its settings.
 *
 * @param shapes weights of the mask branch under `model.` or `model_cp.`, and those of the detector if there is one
 * @throws WeightsError when it has no SAM image encoder, prompt encoder and mask decoder
 */
export function inferConfig(shapes: Shapes): Inferred {
  const has = (prefix: string) => [...shapes.keys()].some((name) => name.startsWith(prefix));
  const size: Size = (name, axis) => shapes.get(name)?.shape[axis];
  const maskBranch = has('model_cp.') ? 'model_cp' : 'model';
  const vit = inferVit(size, `${maskBranch}.image_encoder`);
  const published = Object.values(PRESETS).find(
    (preset) => vit !== undefined && sameSizes(preset.vit, vit) && preset.vit.stem === 'patch',
  );
  const masks = vit === undefined ? undefined : inferMasks(size, maskBranch);
  if (vit === undefined || masks === undefined) {
    const [first = 'nothing'] = shapes.keys();
    throw new WeightsError(`the weights are none that CellSAM is made of; the first is \`${first}\``, {
      fix: "give a file of SAM (`image_encoder.pos_embed`, ...), of CellSAM (`model.image_encoder.pos_embed`, ...) or a model.safetensors that `cellsam train` wrote; Anchor DETR's own checkpoints have another backbone and cannot be used",
    });
  }
  const cellfinder = inferDetector(size);
  const config = modelOptions.parse({
    layout: has(`${BODY}.`) ? 'two' : 'shared',
    maskBranch,
    vit: { ...vit, numHeads: vit.numHeads ?? published?.vit.numHeads ?? 1 },
    ...masks,
    cellfinder: cellfinder ?? {},
  });
  const assumed = published === undefined ? unsettled(config, vit.numHeads === undefined) : [];
  return { config, assumed };
}

function inferVit(size: Size, prefix: string) {
  const patchSize = size(`${prefix}.patch_embed.proj.weight`, 2);
  const embedDim = size(`${prefix}.patch_embed.proj.weight`, 0);
  const grid = size(`${prefix}.pos_embed`, 1);
  const outChans = size(`${prefix}.neck.0.weight`, 0);
  const depth = countOf((i) => size(`${prefix}.blocks.${i}.norm1.weight`, 0));
  const hidden = size(`${prefix}.blocks.0.mlp.lin1.weight`, 0);
  if (patchSize === undefined || embedDim === undefined || grid === undefined) return undefined;
  if (outChans === undefined || depth === 0 || hidden === undefined) return undefined;
  const sides = Array.from({ length: depth }, (_, i) => {
    const rows = size(`${prefix}.blocks.${i}.attn.rel_pos_h`, 0);
    return rows === undefined ? undefined : (rows + 1) / 2;
  });
  const headWidth = size(`${prefix}.blocks.0.attn.rel_pos_h`, 1);
  const windowSize = sides.find((side) => side !== undefined && side !== grid) ?? 0;
  return {
    imgSize: grid * patchSize,
    patchSize,
    embedDim,
    depth,
    numHeads: headWidth === undefined ? undefined : embedDim / headWidth,
    mlpRatio: hidden / embedDim,
    outChans,
    qkvBias: size(`${prefix}.blocks.0.attn.qkv.bias`, 0) !== undefined,
    useRelPos: headWidth !== undefined,
    windowSize,
    globalAttnIndexes: sides.flatMap((side, i) => (windowSize !== 0 && side === grid ? [i] : [])),
  };
}

function inferMasks(size: Size, branch: string) {
  const embedDim = size(`${branch}.prompt_encoder.point_embeddings.0.weight`, 1);
  const maskInChans = size(`${branch}.prompt_encoder.mask_downscaling.3.weight`, 0);
  const decoder = `${branch}.mask_decoder`;
  const attention = `${decoder}.transformer.layers.0`;
  const transformerDim = size(`${decoder}.iou_token.weight`, 1);
  const inner = size(`${attention}.cross_attn_token_to_image.q_proj.weight`, 0);
  const tokens = size(`${decoder}.mask_tokens.weight`, 0);
  if (embedDim === undefined || maskInChans === undefined || transformerDim === undefined) return undefined;
  if (inner === undefined || tokens === undefined) return undefined;
  return {
    promptEncoder: { embedDim, maskInChans },
    maskDecoder: {
      transformerDim,
      depth: countOf((i) => size(`${decoder}.transformer.layers.${i}.norm1.weight`, 0)),
      mlpDim: size(`${attention}.mlp.lin1.weight`, 0),
      attentionDownsampleRate: transformerDim / inner,
      numMultimaskOutputs: tokens - 1,
      iouHeadDepth: countOf((i) => size(`${decoder}.iou_prediction_head.layers.${i}.weight`, 0)),
      iouHeadHiddenDim: size(`${decoder}.iou_prediction_head.layers.0.weight`, 0),
    },
  };
}

function inferDetector(size: Size) {
  const hiddenDim = size(`${DETECTOR}.input_proj.0.0.weight`, 0);
  if (hiddenDim === undefined) return undefined;
  const transformer = `${DETECTOR}.transformer`;
  const layers = (kind: string) => countOf((i) => size(`${transformer}.${kind}.${i}.norm1.weight`, 0));
  const inProjection = size(`${transformer}.decoder_layers.0.cross_attn.in_proj_weight`, 0);
  const points = size(`${transformer}.position.weight`, 0);
  return {
    hiddenDim,
    encLayers: layers('encoder_layers'),
    decLayers: layers('decoder_layers'),
    dimFeedforward: size(`${transformer}.decoder_layers.0.ffn.linear1.weight`, 0),
    numQueryPosition: points,
    numQueryPattern: size(`${transformer}.pattern.weight`, 0),
    spatialPrior: points === undefined ? 'grid' : 'learned',
    attentionType: inProjection === 3 * hiddenDim ? 'nn.MultiheadAttention' : 'RCDA',
    numClasses: size(`${transformer}.class_embed.0.weight`, 0),
  };
}

function countOf(size: (index: number) => number | undefined): number {
  let count = 0;
  while (size(count) !== undefined) count++;
  return count;
}

function sameSizes(
  a: ModelConfig['vit'],
  b: { embedDim: number; depth: number; patchSize: number },
): boolean {
  return a.embedDim === b.embedDim && a.depth === b.depth && a.patchSize === b.patchSize;
}

/** What the shapes leave open, with the values that were taken. */
function unsettled(config: ModelConfig, areHeadsOpen: boolean): string[] {
  const { vit, maskDecoder, cellfinder } = config;
  return [
    ...(areHeadsOpen ? [`vit.numHeads ${vit.numHeads}`] : []),
    `vit.layerNormEps ${vit.layerNormEps}`,
    `maskDecoder.numHeads ${maskDecoder.numHeads}`,
    `cellfinder.nheads ${cellfinder.nheads}`,
    `cellfinder.groupNormGroups ${cellfinder.groupNormGroups}`,
    ...(cellfinder.spatialPrior === 'grid'
      ? [`cellfinder.numQueryPosition ${cellfinder.numQueryPosition}`]
      : []),
  ];
}
