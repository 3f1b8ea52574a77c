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

/** How a model is adapted to a few annotated images. */
export const adaptOptions = z.strictObject({
  parts: z
    .array(z.enum(Object.keys(PARTS) as [Part, ...Part[]]))
    .min(1)
    .default(['detector'])
    .describe(
      'what is trained: the detector as in the paper (all of it, or only what reads its memory: queries), the neck, the mask decoder, the image encoder; features before it are computed once',
    ),
  steps: z.number().int().positive().default(200).describe('steps at most, of each round'),
  batchSize: z.number().int().positive().default(4).describe('views in a step'),
  learningRate: z.number().positive().default(5e-4).describe('at its height, after ten steps'),
  budgetSeconds: z.number().positive().default(600).describe('time for everything'),
  folds: z.number().int().min(2).default(5).describe('rounds of cross-validation at most'),
  scales: z
    .array(z.number().positive())
    .min(1)
    .default([0.8, 1, 1.25])
    .describe('magnifications of the views'),
  views: z.number().int().positive().default(160).describe('views at most, of all images together'),
  seed: z.number().int().default(0).describe('seed of everything random'),
});

export type AdaptOptions = z.infer<typeof adaptOptions>;
