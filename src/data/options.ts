import { z } from 'zod';
import { FORMAT_NAMES } from './formats/formats.js';

/** Where annotated images come from and how a training view is cut from them. */
export const dataOptions = z.strictObject({
  type: z
    .enum(['simulated', ...FORMAT_NAMES])
    .describe('layout of the dataset; `simulated` draws synthetic microscopy'),
  root: z
    .string()
    .default('.')
    .describe('folder of the dataset, relative to this file (on the command line: to the working directory)'),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('options of the layout, see docs/datasets.md; checked when the dataset is opened'),
  splitFile: z.string().optional().describe('JSON file with lists of image ids named train, val and heldout'),
  splitSeed: z
    .number()
    .int()
    .default(0)
    .describe('without a split file: seed of the random division into 70, 10 and 20 percent'),
  modalities: z
    .array(z.string())
    .default(['fluorescence'])
    .describe('with `simulated`: kinds of microscopy to draw'),
  count: z.number().int().positive().default(60).describe('with `simulated`: fields to draw'),
  fieldSize: z.number().int().min(32).default(192).describe('with `simulated`: side of a field in px'),
  scale: z
    .tuple([z.number().positive(), z.number().positive()])
    .default([0.75, 1.5])
    .describe('smallest and largest magnification of a training view'),
});

export type DataOptions = z.infer<typeof dataOptions>;

/** Keys of these options that hold paths; see config/load.ts. */
export const DATA_PATHS: readonly string[] = ['root', 'splitFile'];
