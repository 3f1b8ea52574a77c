import { test } from '@jest/globals';
import { hasModules, python } from '../../scripts/export/python.js';

/** A test that runs Python where these modules are installed, and is reported as skipped, with their names, elsewhere. */
export function testWithPython(title: string, modules: readonly string[], body: () => Promise<void>): void {
  if (hasModules(modules)) test(title, body, 120_000);
  else test.skip(`${title} (skipped: ${python} has no ${modules.join(', ')})`, body);
}
