import type { Target } from './target.js';

/** Forms to export to. One line each; loaded only when used. */
export const targets = {
  savedmodel: async (): Promise<Target> => (await import('./savedmodel.js')).target,
  onnx: async (): Promise<Target> => (await import('./onnx.js')).target,
  tfjs: async (): Promise<Target> => (await import('./tfjs.js')).target,
  bioimageio: async (): Promise<Target> => (await import('./bioimageio.js')).target,
} as const;

export type TargetName = keyof typeof targets;
export const targetNames = Object.keys(targets) as [TargetName, ...TargetName[]];
