import { type QuickstartResult, quickstart } from '../../jobs/quickstart.js';
import type { Verb } from '../verb.js';

export const verb: Verb<QuickstartResult> = {
  command: 'quickstart',
  about: 'train, score and use a small model on synthetic fields, in a few minutes (npm start)',
  examples: [['cellsam quickstart', 'the whole way from images to masks']],
  options: {},
  run: (_args, context) => quickstart(context),
  render: (r) =>
    [
      `F1 at IoU 0.5 on held-out synthetic fields: ${r.after.toFixed(3)} (95 % interval ${r.interval[0].toFixed(3)} to ${r.interval[1].toFixed(3)}), untrained ${r.before.toFixed(3)}`,
      `Report:   ${r.report}`,
      `Masks and overlays: ${r.masks}`,
      `Everything is in ${r.folder}. Next, on your own images:`,
      `  node bin/cellsam.mjs segment IMAGES --model ${r.folder}/model.safetensors --save tiff,overlay --out results`,
    ].join('\n'),
};
