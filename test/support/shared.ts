import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe } from '@jest/globals';

/** Where real data and reference numbers lie beside a checkout; they are not part of the repository. */
export function sharedPath(name: string): string | undefined {
  const path = join(resolve('..', 'shared'), name);
  return existsSync(path) ? path : undefined;
}

/** Tests on shared data: run where it is, and reported as skipped, with the folder's name, where it is not. */
export function describeWithShared(title: string, name: string, body: (path: string) => void): void {
  const path = sharedPath(name);
  if (path === undefined) describe.skip(`${title} (skipped: ../shared/${name} is not here)`, () => body(''));
  else describe(title, () => body(path));
}
