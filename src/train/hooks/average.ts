import type { Average } from '../optimiser/average.js';
import type { Hook } from '../trainer.js';

/** Moves the running average of the weights; first of all hooks, so that the others see it. */
export function averageHook(average: Pick<Average, 'update'>): Hook {
  return {
    onStep: async ({ step }) => {
      average.update(step);
      return undefined;
    },
  };
}
