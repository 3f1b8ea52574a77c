/**
 * Scoring 20,000 true against about 20,000 predicted objects in a 10,000 x 10,000 label image.
 *
 *   npm run bench -- evaluate
 */
import { Random } from '../src/core/random.js';
import { scoreImage } from '../src/evaluate/metrics/metrics.js';
import { relabel } from '../src/image/labels.js';
import type { LabelImage } from '../src/image/types.js';

const side = 10_000;
const random = new Random('bench evaluate');

/** Boxes of a 142 x 142 grid, each moved and sized at random; `reach` is how far they leave their place. */
function field(reach: number): LabelImage {
  const ids = new Uint32Array(side * side);
  for (let object = 0; object < 20_000; object++) {
    const [row, column] = [Math.floor(object / 142) * 70, (object % 142) * 70];
    const top = Math.max(0, row + random.integer(reach));
    const left = Math.max(0, column + random.integer(reach));
    const [height, width] = [40 + random.integer(28), 40 + random.integer(28)];
    for (let y = top; y < Math.min(side, top + height); y++)
      ids.fill(object + 1, y * side + left, y * side + Math.min(side, left + width));
  }
  return relabel(ids, side, side).labels;
}

for (const reach of [10, 60]) {
  const [truth, predicted] = [field(reach), field(reach)];
  const start = performance.now();
  const scores = scoreImage(truth, predicted);
  const seconds = (performance.now() - start) / 1000;
  const memory = process.resourceUsage().maxRSS / 1024 ** 2;
  console.log(
    `places within ${reach} px: ${scores.n_true} x ${scores.n_pred} objects, F1 ${scores.thresholds[0]?.f1.toFixed(3)}: ${seconds.toFixed(1)} s, peak memory of the process ${memory.toFixed(2)} GB`,
  );
}
