import { z } from 'zod';

/** Cells of fewer pixels are dropped. */
export const SMALLEST_CELL = 25;

/** How cells are made from what the model finds. */
export const segmentOptions = z.strictObject({
  thresholds: z
    .enum(['model', 'paper', 'library', 'evaluation'])
    .default('model')
    .describe("which thresholds: those stored with the model (else the paper's), or a published set"),
  boxThreshold: z.number().min(0).max(1).optional().describe('replaces the box threshold of the set'),
  minSize: z.number().int().min(0).default(SMALLEST_CELL).describe('smallest cell in pixels'),
  fillHoles: z.boolean().default(true).describe('fill background inside a cell'),
  boundaries: z
    .enum(['keep', 'inner', 'published'])
    .default('keep')
    .describe('clear the boundary pixels of cells: on all sides, or on two sides as published'),
  smooth: z
    .boolean()
    .default(false)
    .describe('smooth outlines as CellSAM can: small pieces and holes go, opening, closing, blur'),
  lowContrast: z
    .boolean()
    .default(false)
    .describe('enhance images that are low in contrast, as CellSAM can; needs the whole image'),
  gaugeCellSize: z
    .boolean()
    .default(false)
    .describe(
      'segment in tiles first, and as a whole if the median cell is 0.2 % of the image or larger, as CellSAM can',
    ),
  fit: z
    .enum(['auto', 'native', 'pad', 'stretch'])
    .default('auto')
    .describe(
      "keep the pixels' size; or bring the longer side to the model's and pad; or stretch to a square as published; auto: native for models with dense proposals, else pad",
    ),
  scaling: z
    .enum(['auto', 'plain', 'published'])
    .default('auto')
    .describe(
      "how pixels become the model's input: percentiles of the image, or CellSAM's own steps (CLAHE, a scaling for each encoder); auto: as the model file says, CellSAM's own for its checkpoints",
    ),
  zoom: z
    .union([z.literal('auto'), z.number().min(0.1).max(8)])
    .default('auto')
    .describe(
      "magnification where the pixels' size is kept; auto: from the cells' size, for models that say which they know best",
    ),
  tile: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe(
      "side of tiles in pixels; 0: the model's side where the pixels' size is kept, else images of more than 2048 pixels are tiled at 1024",
    ),
  overlap: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('pixels that neighbouring tiles share; an eighth to a quarter of the tile when absent'),
  promptsPerCall: z.number().int().min(1).default(16).describe('prompts that the decoder takes at once'),
});

export type SegmentOptions = z.infer<typeof segmentOptions>;
