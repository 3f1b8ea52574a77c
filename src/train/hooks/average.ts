import type { WeightAverage } from '../optimiser/average.js';
import type { Hook } from '../trainer.js';

/** Moves the running average of the weights; first of all hooks, so that the others see it. */
export function averageHook(average: WeightAverage): Hook {
  return {
    onStep: async ({ step }) => {
      average.update(step);
      return undefined;
    },
  };
}
