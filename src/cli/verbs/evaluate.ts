import { type EvaluateResult, evaluateJobOptions, evaluateRun } from '../../jobs/evaluate.js';
import type { Verb } from '../verb.js';

export const verb: Verb<EvaluateResult> = {
  command: 'evaluate',
  about: 'score a trained model on images that it has not seen, with a report',
  examples: [
    ['cellsam evaluate --run runs/dsb2018', "the held-out part of the run's own dataset"],
    ['cellsam evaluate --run runs/dsb2018 --split val --json', 'the validation part, as JSON'],
  ],
  options: {
    run: { type: 'string', demandOption: true, describe: 'folder of a training run' },
    split: {
      type: 'string',
      default: 'heldout',
      choices: ['train', 'val', 'heldout'],
      describe: 'which part of its dataset',
    },
    out: { type: 'string', describe: 'folder for the report; <run>/report when absent' },
  },
  run: (args, context) =>
    evaluateRun(
      evaluateJobOptions.parse({ run: args['run'], split: args['split'], out: args['out'] }),
      context,
    ),
  render: (r) =>
    [
      `F1 at IoU 0.5 on ${r.images} ${r.split} images: ${r.mean_f1.toFixed(3)} (95 % interval ${r.interval[0].toFixed(3)} to ${r.interval[1].toFixed(3)}), pooled ${r.pooled_f1.toFixed(3)}`,
      `Report: ${r.report}`,
    ].join('\n'),
};
