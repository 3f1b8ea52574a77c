import { z } from 'zod';

/** How a model is trained. */
export const trainOptions = z.strictObject({
  stage: z
    .enum(['detector', 'masks', 'joint'])
    .default('joint')
    .describe('detector on boxes, masks from true boxes, or both at once'),
  trainable: z
    .array(z.string())
    .default(['.'])
    .describe('patterns of weight names that are trained; all others are frozen'),
  maxSteps: z.number().int().positive().default(1000).describe('steps of the whole run'),
  batchSize: z.number().int().positive().default(2).describe('views in a step'),
  learningRate: z
    .union([z.number().positive(), z.string()])
    .default('1e-3 * min(1, (step + 1) / 30) * (0.51 + 0.49 * cos(pi * step / maxSteps))')
    .describe('a number, or an expression in step, epoch and maxSteps'),
  vitLearningRateFactor: z
    .number()
    .min(0)
    .default(1)
    .describe('multiplies the learning rate of the image encoder'),
  weightDecay: z
    .number()
    .min(0)
    .default(0.05)
    .describe('decoupled decay; matrices only when decayNormsAndBiases is false'),
  decayNormsAndBiases: z
    .boolean()
    .default(false)
    .describe('whether norms and biases decay too, as in the paper'),
  betas: z.tuple([z.number(), z.number()]).default([0.9, 0.99]).describe("AdamW's averaging factors"),
  clipNorm: z.number().positive().default(1).describe('largest global norm of the gradients'),
  promptsPerImage: z
    .number()
    .int()
    .positive()
    .default(6)
    .describe('objects of an image that prompt the mask decoder in a step'),
  boxJitter: z
    .number()
    .min(0)
    .default(0.05)
    .describe("standard deviation of a prompt's box edges, as a share of the box"),
  averageDecay: z
    .number()
    .min(0)
    .max(1)
    .default(0.99)
    .describe('factor of the running average of the weights; 0 for none'),
  evaluateEvery: z
    .number()
    .int()
    .positive()
    .default(200)
    .describe('steps between two looks at the validation part'),
  checkpointEvery: z.number().int().positive().default(200).describe('steps between two checkpoints'),
  keepCheckpoints: z.number().int().positive().default(3).describe('checkpoints kept besides the best'),
  seed: z.number().int().default(0).describe('seed of everything random'),
});

export type TrainOptions = z.infer<typeof trainOptions>;
