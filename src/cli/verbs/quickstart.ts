import { type QuickstartResult, quickstart } from '../../jobs/quickstart.js';
import type { Verb } from '../verb.js';

export const verb: Verb<QuickstartResult> = {
  command: 'quickstart',
  about:
    'use the shipped model, adapt it, and train one from nothing, on synthetic fields, in a few minutes (npm start)',
  examples: [['cellsam quickstart', 'the whole way from images to masks']],
  options: {},
  run: (_args, context) => quickstart(context),
  render: (r) =>
    [
      `The model that comes with it found ${r.first.cells} cells in three fields, in ${r.first.seconds.toFixed(1)} s: ${r.first.masks}`,
      `Adapted to ${r.first.modality} images from five annotated ones: F1 ${r.first.before.toFixed(3)} before, ${r.first.after.toFixed(3)} after, on images it has not seen`,
      `  before: ${r.first.overlays[0]}   after: ${r.first.overlays[1]}`,
      `Trained from nothing: F1 at IoU 0.5 on held-out synthetic fields ${r.after.toFixed(3)} (95 % interval ${r.interval[0].toFixed(3)} to ${r.interval[1].toFixed(3)}), untrained ${r.before.toFixed(3)}`,
      `  report: ${r.report}   masks and overlays: ${r.masks}   everything: ${r.folder}`,
      'Next, on your own images:  node bin/cellsam.mjs segment IMAGES --save tiff,overlay --out results',
    ].join('\n'),
};
