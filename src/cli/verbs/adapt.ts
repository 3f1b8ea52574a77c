import { parseArguments } from '../../config/arguments.js';
import { parseSeconds } from '../../config/quantities.js';
import { signed } from '../../core/signed.js';
import {
  ADAPT_PARTS,
  ADAPTER_PARTS,
  type AdaptResult,
  adaptJob,
  adaptJobOptions,
  stepsReached,
} from '../../jobs/adapt.js';
import type { Verb } from '../verb.js';

export const verb: Verb<AdaptResult> = {
  command: 'adapt <folder>',
  about: 'teach a model your own cells from a few annotated images, and prove that it helped',
  examples: [
    [
      'cellsam adapt my-images',
      'images with masks (x.tif and x_masks.tif, or any layout that `check` knows)',
    ],
    [
      'cellsam adapt my-images --model runs/dsb2018/model.safetensors --budget 5m',
      'another model, five minutes',
    ],
    ['cellsam segment more-images --model runs/adapt-my-images/model.safetensors', 'use what it learnt'],
  ],
  positionals: { folder: { type: 'string', describe: 'folder of images with masks or boxes' } },
  options: {
    model: { type: 'string', describe: 'model to adapt; the shipped one when absent' },
    out: { type: 'string', describe: 'folder to write; runs/adapt-<folder> when absent' },
    overwrite: { type: 'boolean', describe: 'replace an earlier adaptation there' },
    merge: { type: 'boolean', describe: 'write all weights, not only those that changed' },
    budget: {
      type: 'string',
      default: '10m',
      describe: 'time for everything, e.g. 90s, 10m, 1h; a number alone means seconds',
    },
    parts: {
      type: 'string',
      array: true,
      choices: ADAPT_PARTS,
      describe: 'what is trained; when absent the detector, and the mask decoder where its masks are poor',
    },
    lora: {
      type: 'string',
      array: true,
      choices: ADAPTER_PARTS,
      describe: 'parts that change by low-rank adapters only; a small file',
    },
    rank: { type: 'number', describe: 'of low-rank adapters; 4 when absent' },
    steps: { type: 'number', describe: 'steps at most, of each round' },
    folds: { type: 'number', describe: 'rounds of cross-validation at most' },
    'learning-rate': { type: 'number', describe: 'at its height' },
    type: { type: 'string', describe: 'layout of the folder; recognised when absent' },
    cache: { type: 'string', describe: 'folder for computed features, kept for the next time' },
    seed: { type: 'number', describe: 'seed of everything random' },
  },
  run: async (args, context) => {
    const { folder, model, out, overwrite, merge, parts, lora, rank, steps, folds, type, cache, seed } = args;
    const budgetSeconds = await parseSeconds(args['budget'] as string, '--budget');
    const learningRate = args['learning-rate'];
    const given = {
      folder,
      model,
      out,
      overwrite,
      merge,
      parts,
      lora,
      rank,
      steps,
      folds,
      type,
      cache,
      seed,
      budgetSeconds,
      learningRate,
    };
    return adaptJob(parseArguments(adaptJobOptions, given, 'adapt'), context);
  },
  render: (r) =>
    [
      `F1 at IoU 0.5 on ${r.tested} held-out parts of ${r.images} ${r.images === 1 ? 'image' : 'images'}: ${r.before.toFixed(3)} before, ${r.after.toFixed(3)} after (expected on other images ${signed(r.gain)}, 95 % interval ${signed(r.interval[0])} to ${signed(r.interval[1])}).`,
      r.isKept ? `Adapted: ${r.why}.` : `The model was left as it is: ${r.why}.`,
      `Learnt: ${stepsReached({ steps: r.roundSteps, wanted: r.stepsWanted })}, ${r.roundSteps.length} rounds.`,
      `Report: ${r.folder}`,
      ...next(r),
    ].join('\n'),
};

/** The model as it came is nothing to go on with. */
function next({ isKept, model, longerBudget }: AdaptResult): string[] {
  if (isKept) return [`Next: cellsam segment more-images --model ${model}`];
  if (longerBudget === undefined) return [];
  return [`Next: the same command with --budget ${longerBudget} --overwrite`];
}
