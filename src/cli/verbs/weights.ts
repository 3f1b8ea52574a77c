import { UsageError } from '../../core/errors.js';
import {
  type ConvertedWeights,
  convertWeights,
  type InspectedWeights,
  inspectWeights,
} from '../../jobs/weights.js';
import { bytes, table, thousands } from '../table.js';
import type { Verb, VerbArguments } from '../verb.js';

type Result =
  | ({ readonly action: 'inspect' } & InspectedWeights)
  | ({ readonly action: 'convert' } & ConvertedWeights);

const SHOWN = 8;

export const verb: Verb<Result> = {
  command: 'weights <action> <input> [output]',
  about: 'look into weight files, and convert them between .safetensors and PyTorch',
  examples: [
    ['cellsam weights inspect model.safetensors', 'names, shapes and types, without reading the numbers'],
    [
      'cellsam weights convert cellsam_general.pt cellsam.safetensors',
      "CellSAM's checkpoint for `segment --model`",
    ],
    [
      'cellsam weights convert model.safetensors model.pt --dtype float16',
      'for torch.load(..., weights_only=True)',
    ],
    [
      "cellsam weights convert sam_vit_b_01ec64.pth start.safetensors --model vit_b --allow-missing '^cellfinder'",
      "SAM's weights with a fresh detector",
    ],
  ],
  positionals: {
    action: { describe: 'inspect or convert', type: 'string', choices: ['inspect', 'convert'] },
    input: { describe: '.safetensors, .pt or .pth of SAM, CellSAM or this project', type: 'string' },
    output: { describe: 'with convert: the new file; its ending chooses the format', type: 'string' },
  },
  options: {
    dtype: {
      describe: 'float32 or float16',
      type: 'string',
      choices: ['float32', 'float16'],
      default: 'float32',
    },
    model: { describe: "preset that the weights must fit; the file's own model when absent", type: 'string' },
    'allow-missing': {
      describe: 'pattern of names that may be missing and start fresh',
      type: 'string',
      array: true,
      nargs: 1,
    },
    'allow-unexpected': {
      describe: 'pattern of names that the model need not have',
      type: 'string',
      array: true,
      nargs: 1,
    },
    'drop-unused': {
      describe: 'leave out weights that the model does not use',
      type: 'boolean',
      default: false,
    },
    overwrite: { describe: 'replace a file that is there', type: 'boolean', default: false },
  },
  run: async (args, context) => {
    const input = String(args['input']);
    if (args['action'] === 'inspect') return { action: 'inspect', ...(await inspectWeights(input)) };
    return { action: 'convert', ...(await convertWeights(jobOf(args, input), context)) };
  },
  render: (result) => (result.action === 'inspect' ? inspected(result) : converted(result)).join('\n'),
  exitCode: (result) => (result.action === 'inspect' && result.problems.length > 0 ? 5 : 0),
};

function jobOf(args: VerbArguments, input: string) {
  const output = args['output'] as string | undefined;
  if (output === undefined)
    throw new UsageError('convert needs the name of the new file', { fix: 'cellsam weights convert IN OUT' });
  const texts = (name: string) => (args[name] as string[] | undefined) ?? [];
  return {
    input,
    output,
    dtype: args['dtype'] === 'float16' ? ('float16' as const) : ('float32' as const),
    model: args['model'] as string | undefined,
    allowMissing: texts('allowMissing'),
    allowUnexpected: texts('allowUnexpected'),
    dropUnused: args['dropUnused'] === true,
    overwrite: args['overwrite'] === true,
  };
}

function inspected(w: InspectedWeights): string[] {
  const rows = w.arrays.map(({ name, shape, stored, sameAs }) => [
    name,
    `[${shape.join(', ')}]`,
    stored,
    sameAs === undefined ? '' : `same as ${sameAs}`,
  ]);
  return [
    ...table(['name', 'shape', 'type', ''], rows),
    '',
    `${w.path}: ${w.kind}, ${bytes(w.bytes)}, ${thousands(w.arrays.length)} arrays, ${thousands(w.elements)} numbers`,
    w.about === undefined ? 'Not a model that CellSAM is made of' : `It is ${w.about}`,
    ...(w.assumed.length === 0 ? [] : [`Not told by the file: ${w.assumed.join(', ')}`]),
    ...Object.entries(w.metadata).map(([key, text]) => `  ${key}: ${text}`),
    ...(w.problems.length === 0 ? [] : [`${w.problems.length} names do not fit:`]),
    ...w.problems.map((problem) => `  ${problem}`),
  ];
}

function converted({ output, about, arrays, fresh, unused, kept }: ConvertedWeights): string[] {
  return [
    `${output}: ${about}, ${arrays} arrays`,
    ...(fresh.length === 0 ? [] : [`${fresh.length} were missing and start fresh: ${listed(fresh)}`]),
    ...(unused.length === 0
      ? []
      : [
          `${unused.length} that the model does not use were ${kept ? 'kept' : 'left out'}: ${listed(unused)}`,
        ]),
  ];
}

function listed(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
