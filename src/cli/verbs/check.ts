import { type CheckResult, check, checkJobOptions } from '../../jobs/check.js';
import type { Verb } from '../verb.js';

export const verb: Verb<CheckResult> = {
  command: 'check <folder>',
  about: 'read a dataset, count it and name every problem with its file',
  examples: [['cellsam check ../shared/data/dsb2018', 'what is in the folder, and what is wrong with it']],
  positionals: { folder: { type: 'string', describe: 'folder of the dataset' } },
  options: {
    type: { type: 'string', describe: 'layout of the files; recognised when absent' },
  },
  run: ({ folder, type }, context) => check(checkJobOptions.parse({ folder, type }), context),
  render: (r) =>
    [
      `${r.images} images, ${r.objects} objects; sizes ${r.sizes.join(', ')}`,
      ...(r.areas === undefined ? [] : [`object area at 5, 50, 95 %: ${r.areas.join(', ')} px`]),
      ...r.problems.map((p) => `  ${p.where ?? ''}: ${p.message}`),
      `${r.problems.length} problems. For a config:`,
      `data:\n  type: ${r.type}\n  root: ${r.folder}`,
      ...Object.entries(r.options).map(
        ([key, value], i) => `${i === 0 ? '  options:\n' : ''}    ${key}: ${JSON.stringify(value)}`,
      ),
    ].join('\n'),
};
