import { parseArguments } from '../../config/arguments.js';
import { evaluate, evaluateJobOptions } from '../../jobs/evaluate.js';
import type { Verb } from '../verb.js';

export const verb: Verb<Awaited<ReturnType<typeof evaluate>>> = {
  command: 'evaluate',
  about: 'score a model, or masks of any program, against true masks, with a report',
  examples: [
    ['cellsam evaluate --model runs/dsb2018', "the held-out part of the run's own data set"],
    ['cellsam evaluate --model model.safetensors --config sets.yaml', 'on every data set of a list'],
    ['cellsam evaluate --pred cellpose/ --truth masks/', 'masks of another program, paired by name'],
    ['cellsam evaluate --model runs/dsb2018 --boxes truth', 'how good the masks are where boxes are right'],
  ],
  options: {
    model: { alias: 'run', type: 'string', describe: 'a model file, or the folder of a run or adaptation' },
    config: {
      type: 'string',
      describe: "YAML with `datasets:`, or a training configuration; the run's own when absent",
    },
    pred: { type: 'string', describe: 'folder of masks: TIFF, PNG or npy' },
    truth: { type: 'string', describe: 'folder of true masks of the same names' },
    split: {
      type: 'string',
      choices: ['train', 'val', 'heldout', 'all'],
      describe: 'which part; heldout when absent',
    },
    groups: { type: 'string', describe: 'JSON file with kinds of images: {"<kind>": ["<image id>", ...]}' },
    boxes: {
      type: 'string',
      choices: ['detected', 'truth'],
      default: 'detected',
      describe: 'truth: the true boxes prompt the masks, to judge the two parts of a model apart',
    },
    calibrate: {
      type: 'boolean',
      default: false,
      describe:
        'first find box, mask, IoU and duplicate thresholds on the validation part and store them in the model',
    },
    binary: {
      type: 'string',
      choices: ['refuse', 'split', 'keep'],
      default: 'refuse',
      describe: 'masks whose objects all have one value: an error, pieces as objects, or one object',
    },
    shared: {
      type: 'string',
      choices: ['refuse', 'allow'],
      default: 'refuse',
      describe: 'held-out images that trained the model',
    },
    out: { type: 'string', describe: 'folder for the report; beside the model or the masks when absent' },
    force: { type: 'boolean', default: false, describe: 'make the report also when nothing has changed' },
    'min-size': { type: 'number', default: 25, describe: 'smallest cell in pixels that segmentation keeps' },
  },
  run: (args, context) => {
    const names = [
      'model',
      'config',
      'pred',
      'truth',
      'split',
      'groups',
      'boxes',
      'calibrate',
      'binary',
      'shared',
      'out',
      'force',
    ];
    const given = Object.fromEntries(names.map((name) => [name, args[name]]));
    const segment = { minSize: args['min-size'] };
    return evaluate(parseArguments(evaluateJobOptions, { ...given, segment }, 'evaluate'), context);
  },
  render: (r) => {
    const lines = r.datasets.map(({ dataset, images, objects, metrics, pooled, box }) => {
      const f1 = metrics['f1_50'];
      const boxes = box === null ? '' : `; box AP50 ${box.ap50.toFixed(3)}`;
      return `${dataset}: mean F1 at IoU 0.5 ${f1?.mean.toFixed(3)} (95 % interval ${f1?.low.toFixed(3)} to ${f1?.high.toFixed(3)}), pooled ${pooled[0]?.f1.toFixed(3)}${boxes}; ${images} images, ${objects} objects`;
    });
    const state = r.reused ? `unchanged since ${r.made_at}` : 'new';
    return [...lines, ...r.warnings, `Report (${state}): ${r.report}`].join('\n');
  },
};
