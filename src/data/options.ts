import { z } from 'zod';
import { positiveRange } from '../config/range.js';
import { FORMAT_NAMES } from './formats/formats.js';
import { augmentOptions } from './transforms/augment.js';

/** Where the fields of one dataset are, and how they are divided. */
const setShape = {
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
};

const datasetType = z
  .enum(['simulated', ...FORMAT_NAMES])
  .describe('layout of the dataset; `simulated` draws synthetic microscopy');

const setOptions = z.strictObject({
  type: datasetType,
  ...setShape,
  name: z.string().optional().describe("stands before the images' ids; the folder's name when absent"),
  weight: z
    .number()
    .positive()
    .optional()
    .describe('share of the draws, relative to the other weights; replaces what `mix` gives'),
});

/** One dataset of a mixture. */
export type SetOptions = z.infer<typeof setOptions>;

/** Where annotated images come from and how a training view is cut from them. */
export const dataOptions = z
  .strictObject({
    type: datasetType.optional(),
    ...setShape,
    sets: z
      .array(setOptions)
      .min(1)
      .optional()
      .describe('several datasets, mixed; in the place of type, root and what belongs to them'),
    mix: z
      .enum(['size', 'sqrt', 'equal'])
      .default('size')
      .describe(
        'with `sets`: draws from a set in proportion to its images, to their square root, or from all alike',
      ),
    scale: positiveRange()
      .default([0.75, 1.5])
      .describe('smallest and largest magnification of a training view'),
    objectSide: z
      .number()
      .positive()
      .optional()
      .describe(
        'median side in px to which the objects of every field are magnified or reduced before `scale`; in a fifth of the views they are not',
      ),
    repeatInverted: z
      .number()
      .int()
      .positive()
      .default(1)
      .describe('how often fields with a bright background (stained tissue) come in an epoch'),
    fit: z
      .enum(['crop', 'whole'])
      .default('crop')
      .describe(
        'a training view is a window of a field, or the whole of it with its longer side filling the view',
      ),
    preprocess: z
      .enum(['percentile', 'cellsam'])
      .default('percentile')
      .describe(
        "how values are brought to 0..1: cells bright and stretched between percentiles, or CellSAM's own way (bright spots, CLAHE)",
      ),
    augment: augmentOptions.prefault({}).describe('what chance does to a training view'),
    workers: z
      .number()
      .int()
      .min(0)
      .max(64)
      .default(1)
      .describe(
        'threads that read and augment; 0 for none besides the one that trains. Batches do not depend on it',
      ),
    prefetch: z.number().int().min(1).max(64).default(3).describe('batches that are made ahead of time'),
    cacheMb: z
      .number()
      .min(0)
      .default(1000)
      .describe('memory for decoded images in MB, filled in the first epoch'),
    onBadFile: z
      .enum(['fail', 'skip'])
      .default('fail')
      .describe('what to do about an image that cannot be used: stop, or name it once and go on'),
  })
  .superRefine(({ type, sets }, context) => {
    if ((type === undefined) === (sets === undefined))
      context.addIssue({
        code: 'custom',
        path: ['type'],
        message: 'give either `type` for one dataset, or `sets` for several',
      });
  });

export type DataOptions = z.infer<typeof dataOptions>;

/** Keys of these options that hold paths; see config/load.ts. */
export const DATA_PATHS: readonly string[] = ['root', 'splitFile', 'sets.*.root', 'sets.*.splitFile'];

/** The datasets of a configuration, one or several. */
export function setsOf(options: DataOptions): readonly SetOptions[] {
  if (options.sets !== undefined) return options.sets;
  const { root, options: own, splitFile, splitSeed, modalities, count, fieldSize } = options;
  const type = options.type as SetOptions['type'];
  return [{ type, root, options: own, splitFile, splitSeed, modalities, count, fieldSize }];
}

/** The datasets in a few words, for logs and model cards. */
export function namesOfSets(options: DataOptions): string {
  return setsOf(options)
    .map(({ name, type }) => name ?? type)
    .join(', ');
}
