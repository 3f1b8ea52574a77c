import type { Verb } from './verb.js';

/** The verbs of `cellsam`, in the order of the help. One line each; loaded only when called. */
export const VERBS: Readonly<Record<string, () => Promise<{ verb: Verb }>>> = {
  train: () => import('./verbs/train.js'),
  segment: () => import('./verbs/segment.js'),
  doctor: () => import('./verbs/doctor.js'),
};
