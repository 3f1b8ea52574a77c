import type { Target } from './target.js';

/** Forms to export to. One line each; loaded only when used. */
export const targets = {
  onnx: async (): Promise<Target> => (await import('./onnx.js')).target,
} as const;

export type TargetName = keyof typeof targets;
export const targetNames = Object.keys(targets) as [TargetName, ...TargetName[]];
