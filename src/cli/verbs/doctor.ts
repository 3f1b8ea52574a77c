import { type Diagnosis, doctor } from '../../jobs/doctor.js';
import type { Verb } from '../verb.js';

export const verb: Verb<Diagnosis> = {
  command: 'doctor',
  about: 'tell what this machine has, what is missing, and how to repair it',
  examples: [['cellsam doctor', 'versions, backend, memory, and repairs']],
  options: {},
  run: () => doctor(),
  render,
  exitCode: (diagnosis) => (diagnosis.findings.length === 0 ? 0 : 6),
};

function render(d: Diagnosis): string {
  const rows: [string, string][] = [
    ['Node', `${d.node} on ${d.platform}`],
    ['TensorFlow', d.tensorflow ?? 'none'],
    [
      'TensorFlow.js',
      `${d.tfjs ?? 'none'}, backend ${d.backend ?? 'none'}${d.gpu ? ', GPU in use' : ', no GPU in use'}`,
    ],
    ['Library', `from ${d.librarySource}${d.library === undefined ? '' : `, ${d.library}`}`],
    ['oneDNN', d.oneDnn ? 'on' : 'off (TF_ENABLE_ONEDNN_OPTS=0)'],
    [
      'CPU',
      `${d.cpu.model}, ${d.cores} cores${d.cpu.features.length === 0 ? '' : `, ${d.cpu.features.join(' ')}`}`,
    ],
    ['Memory', `${d.memoryGb.total} GB, ${d.memoryGb.free} GB free`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(15)}${value}`);
  if (d.findings.length === 0) return [...lines, '', 'All is well.'].join('\n');
  return [
    ...lines,
    '',
    ...d.findings.flatMap(({ message, fix }) => [`Problem: ${message}`, `  To mend it: ${fix}`]),
  ].join('\n');
}
