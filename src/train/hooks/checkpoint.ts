import type { Hook } from '../trainer.js';

/** Saves every so many steps, and when `isWanted`: a best look must be found again. The job itself saves the last step. */
export function checkpointHook(
  every: number,
  isWanted: (step: number) => boolean,
  save: () => Promise<void>,
): Hook {
  return {
    onStep: async ({ step }) => {
      if (step % every === 0 || isWanted(step)) await save();
      return undefined;
    },
  };
}
