import { z } from 'zod';

const count = z.number().int().positive();
const triple = z.tuple([z.number(), z.number(), z.number()]);

const vitOptions = z.strictObject({
  imgSize: count.describe('side of the square input in pixels'),
  patchSize: count.describe('side of a token in pixels'),
  inChans: z.literal(3).default(3).describe('input channels: blank, nuclear, whole-cell'),
  embedDim: count.describe('width of a token, D'),
  depth: count.describe('number of transformer blocks'),
  numHeads: count.describe('attention heads of a block'),
  mlpRatio: z.number().positive().default(4).describe('hidden width of the MLP as a multiple of D'),
  outChans: count.describe('channels of the image embedding after the neck, C'),
  qkvBias: z.boolean().default(true).describe('whether queries, keys and values have a bias'),
  useAbsPos: z.boolean().default(true).describe('learned absolute positions, added once'),
  useRelPos: z.boolean().default(true).describe('decomposed relative positions in every block'),
  windowSize: z
    .number()
    .int()
    .min(0)
    .describe('side of the attention windows in tokens; 0 for global attention everywhere'),
  globalAttnIndexes: z
    .array(z.number().int().min(0))
    .describe('blocks with global attention, counted from 0'),
  layerNormEps: z.number().positive().default(1e-6).describe('epsilon of the layer norms in the blocks'),
  stem: z
    .enum(['patch', 'conv'])
    .default('patch')
    .describe('one patch convolution (SAM), or a stack of small strided ones'),
});

const promptEncoderOptions = z.strictObject({
  embedDim: count.describe("width of a prompt token, equal to the neck's channels"),
  maskInChans: count.default(16).describe("hidden channels of the mask prompt's convolutions"),
  boxAsMask: z
    .boolean()
    .default(false)
    .describe(
      'also give a box to the decoder as a mask prompt, an ellipse; small models learn from it in minutes',
    ),
});

const maskDecoderOptions = z.strictObject({
  transformerDim: count.describe('width of the two-way transformer'),
  depth: count.default(2).describe('blocks of the two-way transformer'),
  numHeads: count.default(8).describe('attention heads'),
  mlpDim: count.default(2048).describe('hidden width of its MLP'),
  attentionDownsampleRate: count.default(2).describe('by how much cross attention narrows the width'),
  numMultimaskOutputs: count.default(3).describe('alternative masks besides the single one'),
  iouHeadDepth: count.default(3).describe('layers of the IoU head'),
  iouHeadHiddenDim: count.default(256).describe('hidden width of the IoU head'),
});

const cellfinderOptions = z.strictObject({
  proposals: z
    .enum(['learned', 'dense'])
    .default('learned')
    .describe('learned queries (Anchor DETR, the paper), or a dense head on every token'),
  hiddenDim: count.default(256).describe('width of the detector, E'),
  nheads: count.default(8).describe('attention heads'),
  encLayers: z.number().int().min(0).default(6).describe('encoder layers'),
  decLayers: z.number().int().min(0).default(6).describe('decoder layers'),
  dimFeedforward: count.default(1024).describe('hidden width of the feed-forward parts'),
  dropout: z
    .literal(0)
    .default(0)
    .describe('none, as in the released configuration; part of the published settings'),
  numQueryPosition: count.default(3500).describe('anchor points'),
  numQueryPattern: count.default(1).describe('queries of each anchor point'),
  spatialPrior: z.enum(['learned', 'grid']).default('learned').describe('where the anchor points lie'),
  attentionType: z
    .enum(['RCDA', 'nn.MultiheadAttention'])
    .default('RCDA')
    .describe('row-column decoupled or plain attention'),
  numFeatureLevels: z.literal(1).default(1).describe('feature maps that the detector reads'),
  numClasses: count.default(2).describe('sigmoid outputs of a query'),
  groupNormGroups: count.default(32).describe("groups of the input projection's norm"),
  denseChannels: count.default(96).describe('with dense proposals: channels of the head'),
  denseStride: z
    .number()
    .int()
    .positive()
    .default(4)
    .describe('with dense proposals: pixels between two cells of the head'),
});

/** Every size of a model. Names follow the published configuration. */
export const modelOptions = z.strictObject({
  layout: z
    .enum(['shared', 'two'])
    .default('shared')
    .describe('one ViT for masks and detector (the paper), or two (the released checkpoint)'),
  maskBranch: z.enum(['model', 'model_cp']).default('model').describe("prefix of the mask branch's weights"),
  vit: vitOptions.describe('image encoder'),
  promptEncoder: promptEncoderOptions.describe('prompt encoder'),
  maskDecoder: maskDecoderOptions.describe('mask decoder'),
  pixelMean: triple.default([123.675, 116.28, 103.53]).describe('subtracted from pixel values 0..255'),
  pixelStd: triple.default([58.395, 57.12, 57.375]).describe('divides what is left'),
  cellfinder: cellfinderOptions.describe('detector'),
});

export type ModelConfig = z.infer<typeof modelOptions>;
export type VitConfig = ModelConfig['vit'];
export type CellFinderConfig = ModelConfig['cellfinder'];
export type MaskDecoderConfig = ModelConfig['maskDecoder'];
export type PromptEncoderConfig = ModelConfig['promptEncoder'];
