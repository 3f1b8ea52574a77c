import { join } from 'node:path';
import { loadConfig } from '../../config/load.js';
import { UsageError } from '../../core/errors.js';
import { TRAIN_JOB_PATHS, type TrainResult, trainJob, trainJobOptions } from '../../jobs/train.js';
import { planTraining, type TrainPlan } from '../../jobs/trainPlan.js';
import { trainPlanText } from '../trainPlanText.js';
import type { Verb } from '../verb.js';

/** As of a DataError. */
const DATA_MISSING = 4;

export const verb: Verb<TrainResult | TrainPlan> = {
  command: 'train [overrides..]',
  about: 'train a model as a YAML file says',
  examples: [
    ['cellsam train --config configs/dsb2018.yaml data.root=../shared/data/dsb2018', 'train on real nuclei'],
    ['cellsam train --config configs/dsb2018.yaml train.maxSteps=20 run.folder=runs/short', 'a short trial'],
    [
      'cellsam train --config configs/tissuenet.yaml --dry-run',
      'steps, parameters, memory and time, without training',
    ],
    ['cellsam train --resume runs/dsb2018', 'go on where a run stopped'],
  ],
  positionals: {
    overrides: { type: 'string', array: true, describe: 'key.sub=value, replaces what the file says' },
  },
  options: {
    config: {
      type: 'string',
      describe: 'the YAML file; its paths are relative to it, but run.folder to the working directory',
    },
    resume: { type: 'string', describe: 'folder of a run to go on with' },
    'dry-run': {
      type: 'boolean',
      describe: 'print steps, trained parameters, memory and time, and do not train',
    },
  },
  run: async (args, context) => {
    const resume = args['resume'] as string | undefined;
    const path = resume === undefined ? (args['config'] as string | undefined) : join(resume, 'config.yaml');
    if (path === undefined)
      throw new UsageError('which configuration?', { fix: 'pass --config file.yaml, or --resume folder' });
    const overrides = (args['overrides'] as string[] | undefined) ?? [];
    const { config, folder } = await loadConfig(trainJobOptions, path, overrides, TRAIN_JOB_PATHS);
    // Its paths are absolute, so that the run's own copy of the configuration means the same from anywhere.
    const job = resume === undefined ? config : { ...config, run: { folder: resume } };
    if (args['dryRun'] === true) return planTraining(job, folder, context);
    return trainJob(job, folder, resume !== undefined, context);
  },
  render: (r) => ('trained' in r ? trainPlanText(r) : summary(r)),
  // The plan is of use all the same, but a script must not take it for a run that can start.
  exitCode: (r) => ('trained' in r && r.missing !== undefined ? DATA_MISSING : 0),
};

const summary = (r: TrainResult): string =>
  [
    `Trained ${r.steps} steps on ${r.images['train']} images; best F1 on ${r.images['val']} validation images: ${r.bestF1.toFixed(3)}.`,
    `Model: ${r.model}`,
    `Next: cellsam evaluate --run ${r.folder}`,
  ].join('\n');
