import type { Hook } from '../trainer.js';

/** Runs something every so many steps, but not after the last, which the job itself ends. */
export function everyHook(every: number, last: number, work: () => Promise<void>): Hook {
  return {
    onStep: async ({ step }) => {
      if (step % every === 0 && step < last) await work();
      return undefined;
    },
  };
}
