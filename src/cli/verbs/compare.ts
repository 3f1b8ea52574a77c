import { parseArguments } from '../../config/arguments.js';
import { type CompareResult, compare, compareJobOptions } from '../../jobs/compare.js';
import type { Verb } from '../verb.js';

/** Five pairs that all differ in one direction have p = 2 / 2^5 = 0.06. */
const ENOUGH = 6;

export const verb: Verb<CompareResult> = {
  command: 'compare <a> <b>',
  about: 'compare two evaluations of the same images, with a paired test',
  examples: [
    ['cellsam compare runs/a/report runs/b/report', 'two reports of `cellsam evaluate`'],
    ['cellsam compare cellpose/ stardist/ --truth masks/', 'two folders of masks against the same truth'],
  ],
  positionals: {
    a: { type: 'string', describe: 'folder of a report, or of masks with --truth' },
    b: { type: 'string', describe: 'the same of the other' },
  },
  options: {
    truth: { type: 'string', describe: 'folder of true masks, where a and b are folders of masks' },
    binary: {
      type: 'string',
      choices: ['refuse', 'split', 'keep'],
      default: 'refuse',
      describe: 'masks whose objects all have one value: an error, pieces as objects, or one object',
    },
  },
  run: (args, context) =>
    compare(
      parseArguments(
        compareJobOptions,
        { a: args['a'], b: args['b'], truth: args['truth'], binary: args['binary'] },
        'compare',
      ),
      context,
    ),
  render: (r) => {
    const width = Math.max(...r.metrics.map(({ title }) => title.length));
    const lines = r.metrics.map(({ title, a, b, difference: d, p, better }) => {
      const sign = d.mean >= 0 ? '+' : '';
      const verdict = better === 'neither' ? '' : `  ${better} is better`;
      return `${title.padEnd(width)}  ${a.toFixed(3)}  ${b.toFixed(3)}  ${sign}${d.mean.toFixed(3)} (${d.low.toFixed(3)} to ${d.high.toFixed(3)})  p ${p.toFixed(4)}${verdict}`;
    });
    const few =
      r.images < ENOUGH ? [`With fewer than ${ENOUGH} images no difference can be told from chance.`] : [];
    return [
      `a: ${r.a}`,
      `b: ${r.b}`,
      `${r.images} images, means: a, b, b - a (95 % interval), p of a paired permutation test`,
      ...lines,
      'Where two are equal, about one of twenty such tests calls one of them better all the same.',
      ...few,
    ].join('\n');
  },
};
