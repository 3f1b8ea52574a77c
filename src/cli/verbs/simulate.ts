import { parseArguments } from '../../config/arguments.js';
import { MODALITIES, type SimulateResult, simulateFields, simulateJobOptions } from '../../jobs/simulate.js';
import type { Verb } from '../verb.js';

export const verb: Verb<SimulateResult> = {
  command: 'simulate',
  about: 'draw synthetic microscopy with exact masks',
  examples: [
    ['cellsam simulate --out fields --modality rods --count 5', 'five fields of bacteria, one PNG an object'],
  ],
  options: {
    out: { type: 'string', demandOption: true, describe: 'folder to write' },
    modality: {
      type: 'string',
      default: 'fluorescence',
      describe: Object.entries(MODALITIES)
        .map(([n, m]) => `${n}: ${m.about}`)
        .join('; '),
    },
    count: { type: 'number', default: 10, describe: 'fields' },
    side: { type: 'number', default: 256, describe: 'side of a field in px' },
    seed: { type: 'number', default: 0, describe: 'equal seeds draw equal fields' },
  },
  run: ({ out, modality, count, side, seed }, context) =>
    simulateFields(
      parseArguments(simulateJobOptions, { out, modality, count, side, seed }, 'simulate'),
      context,
    ),
  render: (r) => `${r.images} fields with ${r.objects} cells in ${r.folder}`,
};
