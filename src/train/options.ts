import { z } from 'zod';

/** A pattern of weight names: a regular expression that may match anywhere in the name. */
const namePattern = z.string().refine(isPattern, 'must be a regular expression for weight names');

const rate = z.union([z.number().positive(), z.string()]);

/** Weights to start from. */
const initDetails = z.strictObject({
  weights: z
    .string()
    .describe('`shipped`, or a .safetensors, .pt or .pth file, relative to this file: ours, SAM or CellSAM'),
  allowMissing: z
    .array(namePattern)
    .default([])
    .describe('patterns of names that the file need not have; those weights start fresh'),
  allowUnexpected: z
    .array(namePattern)
    .default([])
    .describe('patterns of names in the file that are left unused'),
  rename: z
    .array(
      z.strictObject({
        from: namePattern.describe("pattern in the file's names"),
        to: z.string().describe('what replaces it; `$1` stands for its first group'),
      }),
    )
    .default([])
    .describe("changes of the file's names, one after the other, before they are compared"),
});

/** Where the weights come from; absent: fresh, from the seed. */
export const initOptions = z
  .union([z.string(), initDetails])
  .optional()
  .describe('weights to start from: a file, `shipped`, or a file with details; fresh when absent');

export type InitOptions = z.infer<typeof initDetails>;

/** The short form, a file's name alone, written out. */
export function initDetailsOf(init: z.infer<typeof initOptions>): InitOptions | undefined {
  return typeof init === 'string' ? initDetails.parse({ weights: init }) : init;
}

const groupOptions = z.strictObject({
  names: namePattern.describe('weights of this group'),
  learningRate: rate.optional().describe('replaces train.learningRate for the group'),
  weightDecay: z.number().min(0).optional().describe('replaces train.weightDecay for the group'),
});

const maskLossOptions = z.strictObject({
  focal: z.number().min(0).default(20).describe('weight of the focal loss'),
  dice: z.number().min(0).default(1).describe('weight of the dice loss'),
  bce: z.number().min(0).default(0).describe('weight of the binary cross entropy'),
  iou: z.number().min(0).default(1).describe('weight of the squared error of the predicted IoU'),
  focalAlpha: z.number().min(0).max(1).default(0.25).describe("focal loss: weight of the cell's pixels"),
  focalGamma: z.number().min(0).default(2).describe('focal loss: exponent'),
});

const queryLossOptions = z.strictObject({
  ce: z.number().min(0).default(2).describe('weight of the focal classification loss'),
  bbox: z.number().min(0).default(5).describe('weight of the L1 distance of boxes'),
  giou: z.number().min(0).default(2).describe('weight of 1 - GIoU'),
});

/** How a model is trained. */
export const trainOptions = z.strictObject({
  stage: z
    .enum(['detector', 'masks', 'joint'])
    .default('joint')
    .describe('detector on boxes (stage 1), masks from true boxes (stage 2), or both at once'),
  trainable: z
    .array(namePattern)
    .optional()
    .describe(
      'patterns of weight names that are trained, all others are frozen; absent: all that stage 1 or joint training reaches, the neck in stage 2',
    ),
  maxSteps: z.number().int().positive().default(1000).describe('steps of the whole run'),
  maxEpochs: z
    .number()
    .positive()
    .optional()
    .describe('length of the run as passes over the training images; replaces maxSteps'),
  batchSize: z.number().int().positive().default(2).describe('views whose gradients are computed at once'),
  accumulate: z
    .number()
    .int()
    .positive()
    .default(1)
    .describe('batches whose gradients are averaged in a step, for steps larger than the memory'),
  recompute: z
    .union([z.boolean(), z.literal('auto')])
    .default('auto')
    .describe(
      'compute blocks again in the backward pass: far less memory, and faster where attention is large; `auto`: for more than 1024 tokens or 500 queries',
    ),
  bfloat16: z
    .boolean()
    .default(false)
    .describe(
      "multiply in bfloat16 in the ViT's linear layers: faster on processors that can, with gradients that are less exact (docs/training.md)",
    ),
  learningRate: rate
    .default('1e-3 * min(1, (step + 1) / 30) * (0.51 + 0.49 * cos(pi * step / maxSteps))')
    .describe('a number, or an expression in step, epoch and maxSteps'),
  warmupSteps: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('steps over which all learning rates rise in a line from nothing'),
  groups: z
    .array(groupOptions)
    .default([])
    .describe('weights with a learning rate or decay of their own; the first group that fits counts'),
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
  clipNorm: z.number().min(0).default(1).describe('largest global norm of the gradients; 0 for no clipping'),
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
  maskLoss: maskLossOptions.prefault({}).describe("weights of the masks' losses"),
  detectorLoss: queryLossOptions
    .prefault({})
    .describe("weights of the detector's losses, with learned queries"),
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
  patience: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('looks without a better F1 after which the run stops early; 0 for never'),
  previews: z
    .number()
    .int()
    .min(0)
    .default(3)
    .describe('validation images that are drawn with the cells found, at each look'),
  tensorboard: z.boolean().default(true).describe("whether the run folder gets TensorBoard's event files"),
  checkpointEvery: z.number().int().positive().default(200).describe('steps between two checkpoints'),
  keepCheckpoints: z
    .number()
    .int()
    .positive()
    .default(3)
    .describe('newest checkpoints that are kept, besides the best'),
  seed: z.number().int().default(0).describe('seed of everything random'),
});

export type TrainOptions = z.infer<typeof trainOptions>;

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
