/** How far learning is, and the learning rate's factor: warm-up, then a cosine to a tenth. */
export interface Clock {
  /** 0 to 1: of the steps or of the time, whichever ends first. */
  readonly share: (step: number) => number;
  readonly factor: (step: number) => number;
  /** Does work that takes none of the time. */
  readonly outside: (work: () => Promise<void>) => Promise<void>;
}

/** @param milliseconds for learning; whichever ends first, they or the steps */
export function clockOf({
  steps,
  milliseconds,
}: {
  readonly steps: number;
  readonly milliseconds: number;
}): Clock {
  let started = performance.now();
  const share = (step: number) =>
    Math.min(1, Math.max(step / steps, (performance.now() - started) / Math.max(1, milliseconds)));
  return {
    share,
    factor: (step) => Math.min(1, (step + 1) / 10) * (0.55 + 0.45 * Math.cos(Math.PI * share(step))),
    outside: async (work) => {
      const before = performance.now();
      await work();
      started += performance.now() - before;
    },
  };
}
