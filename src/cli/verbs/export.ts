import {
  type Agreement,
  type Comparison,
  type ExportSummary,
  exportJob,
  parseExportJob,
  targetNames,
} from '../../jobs/export.js';
import { shippedModel } from '../../jobs/segment.js';
import type { Verb } from '../verb.js';

const list = (value: unknown): string[] =>
  value === undefined
    ? []
    : [value].flat().flatMap((part) =>
        String(part)
          .split(',')
          .filter((name) => name !== ''),
      );

export const verb: Verb<ExportSummary> = {
  command: 'export',
  about: 'write a model for Python, ONNX Runtime, browsers, and compare it with the live one',
  examples: [
    ['cellsam export --to onnx --out exported', 'the shipped model as ONNX files'],
    [
      'cellsam export --model m.safetensors --to onnx --smaller float16,int8 --out exported',
      'smaller files too',
    ],
  ],
  options: {
    model: {
      type: 'string',
      default: shippedModel,
      defaultDescription: 'the model that comes with the project',
      describe: 'model file, ours or a published checkpoint',
    },
    to: { type: 'string', demandOption: true, describe: `any of ${targetNames.join(', ')}, with commas` },
    out: { type: 'string', demandOption: true, describe: 'folder to write' },
    overwrite: {
      type: 'boolean',
      default: false,
      describe: 'write over what the folders of these forms hold; else that is an error',
    },
    verify: { type: 'boolean', default: true, describe: 'compare in the runtime of each form' },
    images: { type: 'string', array: true, describe: 'images to compare on; simulated ones when absent' },
    smaller: { type: 'string', describe: 'further ONNX files: float16, int8, with commas' },
    masks: {
      type: 'string',
      default: 'single',
      describe: "the decoder's masks: single (CellSAM's) or all (SAM's four)",
    },
    licence: { type: 'string', describe: 'SPDX licence of the weights, for packages' },
    opset: { type: 'number', default: 17, describe: 'ONNX operator set, 17 to 20' },
  },
  run: ({ model, to, out, overwrite, verify, images, smaller, masks, licence, opset }, context) =>
    exportJob(
      parseExportJob({
        ...{ model, out, overwrite, verify, masks, licence, opset },
        ...{ to: list(to), images: list(images), smaller: list(smaller) },
      }),
      context,
    ),
  render: (result) =>
    [
      ...result.files.map(({ path, bytes }) => `${path}: ${(bytes / 1e6).toFixed(1)} MB`),
      ...table(result.comparisons),
      ...cells(result.agreement),
      ...result.notes,
    ].join('\n'),
};

/** Whether smaller files find the cells that the live model finds. */
function cells(agreement: readonly Agreement[]): string[] {
  if (agreement.length === 0) return [];
  const [{ images, live }] = agreement as [Agreement];
  return [
    `cells of ${images} images that the ONNX files find, against the live model's ${live}:`,
    ...agreement.map(
      ({ precision, exported, meanF1, meanIou }) =>
        `  ${precision.padEnd(26)} ${exported} cells, mean F1 ${meanF1.toFixed(4)}, mean IoU of pairs ${meanIou.toFixed(4)}`,
    ),
  ];
}

/** The largest difference of each program in each runtime. */
function table(comparisons: readonly Comparison[]): string[] {
  if (comparisons.length === 0) return ['not verified'];
  const worst = new Map<string, Comparison>();
  for (const c of comparisons) {
    const key = [c.target, c.runtime, c.program, c.output].join();
    if (c.relative >= (worst.get(key)?.relative ?? 0)) worst.set(key, c);
  }
  return [
    'largest difference from the live model, relative to the largest magnitude of the output:',
    ...[...worst.values()].map(
      ({ runtime, program, output, relative, case: label }) =>
        `  ${runtime.padEnd(26)} ${program.padEnd(14)} ${output.padEnd(17)} ${relative.toExponential(1)}  at ${label}`,
    ),
  ];
}
