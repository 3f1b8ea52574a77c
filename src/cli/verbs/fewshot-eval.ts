import { parseArguments } from '../../config/arguments.js';
import { parseSeconds } from '../../config/quantities.js';
import { type FewshotJobResult, fewshotJob, fewshotJobOptions } from '../../jobs/fewshot.js';
import type { Verb } from '../verb.js';

/** What is no number stays as it was typed, for the message. */
const numbers = (text: unknown): (number | string)[] =>
  String(text)
    .split(',')
    .map((part) => (part.trim() === '' || Number.isNaN(Number(part)) ? part : Number(part)));

export const verb: Verb<FewshotJobResult> = {
  command: 'fewshot-eval',
  about: 'measure how a model learns from 1, 2, 5 ... annotated images of a data set',
  examples: [
    [
      'cellsam fewshot-eval --config configs/dsb2018.yaml --shots 0,1,2,5,10',
      'on the held-out part of a data set',
    ],
    [
      'cellsam fewshot-eval --config sets.yaml --groups types.json --kinds purple_stained,purple_white --heldout 30',
      'on some kinds of images, 30 of them held out',
    ],
  ],
  options: {
    config: { type: 'string', demandOption: true, describe: 'YAML with `data:`, as for training' },
    model: { type: 'string', describe: 'model to adapt; the shipped one when absent' },
    groups: { type: 'string', describe: 'JSON file with kinds of images: {"<kind>": ["<image id>", ...]}' },
    kinds: { type: 'string', describe: 'with --groups: only images of these kinds, with commas' },
    heldout: { type: 'number', describe: 'images held out; the held-out part of the data set when absent' },
    shots: { type: 'string', default: '0,1,2,5,10', describe: 'numbers of annotated images, with commas' },
    seeds: { type: 'number', default: 3, describe: 'draws of the annotated images' },
    'boxes-only': { type: 'boolean', default: false, describe: 'forget the masks of the annotated images' },
    budget: {
      type: 'string',
      default: '10m',
      describe: 'time for each adaptation, e.g. 90s, 10m; a number alone means seconds',
    },
    steps: { type: 'number', describe: 'steps at most, of each round' },
    parts: {
      type: 'string',
      describe:
        'what is trained, with commas: detector, queries, neck, decoder, encoder; as `adapt` chooses when absent',
    },
    lora: {
      type: 'string',
      describe: 'parts that change by low-rank adapters, with commas: encoder, neck, decoder',
    },
    rank: { type: 'number', describe: 'of low-rank adapters; 4 when absent' },
    'learning-rate': { type: 'number', describe: 'at its height' },
    views: { type: 'number', describe: 'views at most, of all annotated images together' },
    folds: { type: 'number', describe: 'rounds of cross-validation at most' },
    out: { type: 'string', describe: 'folder to write; runs/fewshot-<data set> when absent' },
    seed: { type: 'number', describe: 'seed of everything random' },
  },
  run: async (args, context) => {
    const given = {
      ...Object.fromEntries(
        [
          'config',
          'model',
          'groups',
          'heldout',
          'seeds',
          'steps',
          'folds',
          'views',
          'rank',
          'out',
          'seed',
        ].map((n) => [n, args[n]]),
      ),
      kinds: args['kinds'] === undefined ? undefined : String(args['kinds']).split(','),
      parts: args['parts'] === undefined ? undefined : String(args['parts']).split(','),
      lora: args['lora'] === undefined ? undefined : String(args['lora']).split(','),
      learningRate: args['learning-rate'],
      shots: numbers(args['shots']),
      boxesOnly: args['boxes-only'],
      budgetSeconds: await parseSeconds(args['budget'] as string, '--budget'),
    };
    return fewshotJob(parseArguments(fewshotJobOptions, given, 'fewshot-eval'), context);
  },
  render: ({ curve, nextImage, helpful, report, heldout }) => {
    const lines = curve.map(({ shots, f1, gain, spread, kept }) => {
      const after =
        shots === 0
          ? ''
          : `  gain ${gain.mean.toFixed(3)} (${gain.low.toFixed(3)} to ${gain.high.toFixed(3)}), seeds ${spread[0].toFixed(3)} to ${spread[1].toFixed(3)}, kept ${kept}`;
      return `${String(shots).padStart(4)} images: F1 ${f1.mean.toFixed(3)} (${f1.low.toFixed(3)} to ${f1.high.toFixed(3)})${after}`;
    });
    const next = nextImage === null ? [] : [`One more image would bring about ${nextImage.gain.toFixed(3)}.`];
    const best = helpful.images[0];
    const advice = best === undefined ? [] : [`Annotate next: ${best.id}`];
    return [
      `F1 at IoU 0.5 on ${heldout.length} held-out images`,
      ...lines,
      ...next,
      ...advice,
      `Report: ${report}`,
    ].join('\n');
  },
};
