import { ConfigError } from '../../core/errors.js';
import { didYouMean } from '../../core/nearest.js';
import type { DatasetFormat } from './format.js';

/** Every dataset layout: one file and one line here. */
export const FORMATS = {
  dsb2018: async () => (await import('./dsb2018.js')).dsb2018,
  maskPairs: async () => (await import('./maskPairs.js')).maskPairs,
  bbbc039: async () => (await import('./maskPairs.js')).bbbc039,
  npzArrays: async () => (await import('./npzArrays.js')).npzArrays,
} as const satisfies Readonly<Record<string, () => Promise<DatasetFormat>>>;

export type FormatName = keyof typeof FORMATS;

/** @throws ConfigError with the nearest known name */
export function formatNamed(name: string): Promise<DatasetFormat> {
  const load = FORMATS[name as FormatName];
  if (load === undefined) {
    throw new ConfigError(`there is no dataset type \`${name}\`${didYouMean(name, Object.keys(FORMATS))}`, {
      where: 'data.type',
      fix: `choose one of ${Object.keys(FORMATS).join(', ')}`,
    });
  }
  return load();
}
