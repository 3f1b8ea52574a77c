import { type ModelInfo, modelInfo } from '../../jobs/info.js';
import { bytes, flops, table, thousands } from '../table.js';
import type { Verb } from '../verb.js';

export const verb: Verb<ModelInfo> = {
  command: 'info',
  about: "a model's layers, parameters, operations and memory",
  examples: [
    ['cellsam info --model vit_b', "SAM's base size with CellSAM's detector"],
    ['cellsam info --model model.safetensors', 'the model in a weight file'],
  ],
  options: {
    model: {
      describe: 'a preset (vit_b, vit_l, vit_h, cellsam, vit_t, tiny, ...) or a weight file',
      type: 'string',
      demandOption: true,
    },
    'image-size': { describe: "side of the input in pixels; the model's own when absent", type: 'number' },
  },
  run: (args) => modelInfo(String(args['model']), args['imageSize'] as number | undefined),
  render: (info) =>
    [
      `${info.model} (${info.about}), images of ${info.imgSize} x ${info.imgSize} px`,
      '',
      ...table(
        ['layer', '', 'output', 'parameters', 'operations', 'kept for gradients'],
        info.layers.map((l) => [
          l.name,
          l.about,
          l.output.join(' x '),
          thousands(l.parameters),
          flops(l.flops),
          bytes(l.keptBytes),
        ]),
        [3, 4, 5],
      ),
      '',
      `Parameters           ${thousands(info.parameters)}`,
      `In a file            ${thousands(info.tensors)} arrays, ${thousands(info.elements)} numbers, ${bytes(info.bytes.weights)} in float32`,
      `Operations           ${flops(info.flops.encode)} to encode an image, ${flops(info.flops.detect)} to find its cells, ${flops(info.flops.maskOfABox)} for the mask of a box`,
      `Memory, estimated    ${bytes(info.bytes.forward)} to find the cells of an image; for a training step of one image and 6 boxes`,
      `                     ${bytes(info.bytes.trainingRecomputed)} with blocks computed again in the backward pass, ${bytes(info.bytes.training)} without`,
      ...(info.assumed.length === 0
        ? []
        : ['', `Not told by the file, taken as: ${info.assumed.join(', ')}`]),
    ].join('\n'),
};
