import { z } from 'zod';

/** Parts of a model that adaptation may train, as patterns of weight names. */
export const PARTS = {
  detector: '^cellfinder\\.decode_head\\.(?!backbone\\.)',
  queries:
    '^cellfinder\\.decode_head\\.transformer\\.(decoder_layers|class_embed|bbox_embed|pattern|position)',
  neck: 'image_encoder\\.neck\\.',
  decoder: 'mask_decoder\\.',
  encoder: 'image_encoder\\.(?!neck\\.)|backbone\\.body\\.',
} as const;

export type Part = keyof typeof PARTS;

/** Parts that low-rank adapters can change, as patterns of the names of their matrices. */
export const ADAPTED = {
  encoder: '(image_encoder|backbone\\.body)\\.blocks\\.\\d+\\.(attn\\.(qkv|proj)|mlp\\.lin[12])\\.weight$',
  neck: 'image_encoder\\.neck\\.[02]\\.weight$',
  decoder: 'mask_decoder\\.transformer\\..*(_proj|lin[12])\\.weight$',
} as const;

export type AdaptedPart = keyof typeof ADAPTED;

/** How a model is adapted to a few annotated images. */
export const adaptOptions = z.strictObject({
  parts: z
    .array(z.enum(Object.keys(PARTS) as [Part, ...Part[]]))
    .default(['detector'])
    .describe(
      'what is trained: the detector as in the paper (all of it, or only what reads its memory: queries), the neck, the mask decoder, the image encoder; features before it are computed once',
    ),
  lora: z
    .array(z.enum(Object.keys(ADAPTED) as [AdaptedPart, ...AdaptedPart[]]))
    .default([])
    .describe('parts that change by low-rank adapters only'),
  rank: z.number().int().positive().default(4).describe('of low-rank adapters'),
  steps: z.number().int().positive().default(150).describe('steps at most, of each round'),
  batchSize: z.number().int().positive().default(4).describe('views in a step'),
  learningRate: z.number().positive().default(1e-3).describe('at its height, after ten steps'),
  budgetSeconds: z.number().positive().default(600).describe('time for everything'),
  folds: z.number().int().min(2).default(4).describe('rounds of cross-validation at most'),
  scales: z
    .array(z.number().positive())
    .min(1)
    .default([0.55, 0.8, 1, 1.3, 1.8])
    .describe('magnifications of the views'),
  views: z.number().int().positive().default(200).describe('views at most, of all images together'),
  augment: z
    .boolean()
    .default(true)
    .describe('whether brightness, contrast and noise of the views vary, each view in one way'),
  seed: z.number().int().default(0).describe('seed of everything random'),
});

export type AdaptOptions = z.infer<typeof adaptOptions>;

/** `parts` where they may be left to `partsToTrain`. */
export const askedParts = adaptOptions.shape.parts
  .unwrap()
  .min(1)
  .optional()
  .describe('what is trained; absent: the detector, and the mask decoder where its masks are poor');

/** Options of adaptation in which the parts may be left open. */
export type AskedOptions = Omit<AdaptOptions, 'parts'> & {
  readonly parts?: AdaptOptions['parts'] | undefined;
};
