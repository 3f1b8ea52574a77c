import { resolve } from 'node:path';
import type { Override } from './overrides.js';

/**
 * Makes the paths in a configuration absolute: one from the file is relative to the file's folder, one from the command
 * line to the working directory.
 *
 * @param patterns keys that hold paths, `*` for any list index: `data.root`, `data.sets.*.root`
 * @returns the same configuration where only those texts are changed
 */
export function resolvePaths<T>(
  config: T,
  patterns: readonly string[],
  overrides: readonly Override[],
  folders: { readonly file: string; readonly workingDirectory: string },
): T {
  const isOverridden = (path: string): boolean =>
    overrides.some((override) => {
      const key = override.path.join('.');
      return path === key || path.startsWith(`${key}.`);
    });
  const visit = (value: unknown, path: readonly string[]): unknown => {
    if (typeof value === 'string') {
      if (!patterns.some((pattern) => matches(pattern, path))) return value;
      return resolve(isOverridden(path.join('.')) ? folders.workingDirectory : folders.file, value);
    }
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, `${index}`]));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, visit(inner, [...path, key])]),
    );
  };
  return visit(config, []) as T;
}

function matches(pattern: string, path: readonly string[]): boolean {
  const keys = pattern.split('.');
  return keys.length === path.length && keys.every((key, i) => key === '*' || key === path[i]);
}
