import type { TrainPlan } from '../jobs/trainPlan.js';
import { duration } from './progress.js';
import { bytes, flops, table, thousands } from './table.js';

/** What `train --dry-run` prints. */
export function trainPlanText(plan: TrainPlan): string {
  const { steps, images, epochs, time } = plan;
  const passes =
    epochs === undefined ? '' : `, ${epochs >= 10 ? Math.round(epochs) : epochs.toFixed(1)} epochs`;
  const rates = plan.learningRate?.map((rate) => rate.toPrecision(3));
  const rows = plan.trained.map(({ pattern, names, parameters }) => [
    `  ${pattern}`,
    String(names.length),
    thousands(parameters),
  ]);
  return [
    `Not trained: this is what \`train\` would do in ${plan.folder}.`,
    steps === undefined
      ? `Steps: ${plan.epochs} epochs of training images that are not here (${plan.dataset})`
      : `Steps: ${thousands(steps)} of ${plan.viewsPerStep} views${passes}`,
    images === undefined
      ? `Images: not here: ${plan.missing}`
      : `Images: ${images['train']} for training, ${images['val']} for validation, ${images['heldout']} held out (${plan.dataset})`,
    `Trained: ${thousands(plan.trainedParameters)} of ${thousands(plan.parameters)} parameters`,
    ...table(['  pattern', 'weights', 'parameters'], rows, [1, 2]),
    ...(rates === undefined
      ? []
      : [`Learning rate: ${rates[0]} at the first step, ${rates[1]} half-way, ${rates[2]} at the last`]),
    `Memory: about ${bytes(plan.memoryBytes)} (estimate)`,
    `Time: about ${seconds(time.secondsPerStep)} a step${plan.totalSeconds === undefined ? '' : `, ${long(plan.totalSeconds)} in all`} (estimate: ${flops(time.flopsPerStep)}FLOP a step, ${flops(time.flopsPerSecond)}FLOP/s in matrix products here)`,
  ].join('\n');
}

const seconds = (value: number): string => (value < 10 ? `${value.toFixed(1)} s` : duration(value));

/** Runs of the paper's size take months on a desk; hours would not be read. */
const long = (value: number): string =>
  value < 3 * 86400 ? duration(value) : `${Math.round(value / 86400)} days`;
