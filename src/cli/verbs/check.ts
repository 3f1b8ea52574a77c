import { parseArguments } from '../../config/arguments.js';
import { type CheckResult, check, checkJobOptions } from '../../jobs/check.js';
import { checkReport } from '../checkReport.js';
import type { Verb } from '../verb.js';

/** As of a DataError; problems that are only worth a look leave it 0. */
const DATA_PROBLEMS = 4;

export const verb: Verb<CheckResult> = {
  command: 'check <folder> [overrides..]',
  about: 'read a dataset, count it and name every problem with its file',
  examples: [
    ['cellsam check ../shared/data/dsb2018', 'what is in the folder, and what is wrong with it'],
    ['cellsam check configs/dsb2018.yaml data.root=../shared/data/dsb2018', 'the same, part by part'],
    ['cellsam check ../shared/data/bbbc039 --fix corrected/bbbc039', 'a copy with one id an object'],
  ],
  positionals: {
    folder: { type: 'string', describe: 'folder of the dataset, or a configuration' },
    overrides: { type: 'string', array: true, describe: 'with a configuration: key.sub=value' },
  },
  options: {
    type: { type: 'string', describe: 'layout of the files; recognised when absent' },
    fix: { type: 'string', describe: 'new folder for a corrected copy; the source is not touched' },
  },
  run: ({ folder, overrides, type, fix }, context) =>
    check(parseArguments(checkJobOptions, { folder, overrides, type, fix }, 'check'), context),
  render: checkReport,
  exitCode: ({ errors }) => (errors > 0 ? DATA_PROBLEMS : 0),
};
