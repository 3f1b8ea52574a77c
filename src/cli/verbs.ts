import type { Verb } from './verb.js';

/** The verbs of `cellsam`, in the order of the help. One line each; loaded only when called. */
export const VERBS: Readonly<Record<string, () => Promise<{ verb: Verb }>>> = {
  train: () => import('./verbs/train.js'),
  evaluate: () => import('./verbs/evaluate.js'),
  compare: () => import('./verbs/compare.js'),
  segment: () => import('./verbs/segment.js'),
  adapt: () => import('./verbs/adapt.js'),
  'fewshot-eval': () => import('./verbs/fewshot-eval.js'),
  export: () => import('./verbs/export.js'),
  simulate: () => import('./verbs/simulate.js'),
  prepare: () => import('./verbs/prepare.js'),
  check: () => import('./verbs/check.js'),
  quickstart: () => import('./verbs/quickstart.js'),
  info: () => import('./verbs/info.js'),
  weights: () => import('./verbs/weights.js'),
  doctor: () => import('./verbs/doctor.js'),
};
