import { spawnSync } from 'node:child_process';
import { test } from '@jest/globals';

/** The Python that checks are run with: `PYTHON`, or `python3`. */
const python = process.env['PYTHON'] ?? 'python3';

function has(modules: readonly string[]): boolean {
  const program = `import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in ${JSON.stringify(modules)}))`;
  return spawnSync(python, ['-c', program]).status === 0;
}

/** A test that runs Python where these modules are installed, and is reported as skipped, with their names, elsewhere. */
export function testWithPython(title: string, modules: readonly string[], body: () => Promise<void>): void {
  if (has(modules)) test(title, body, 120_000);
  else test.skip(`${title} (skipped: ${python} has no ${modules.join(', ')})`, body);
}

/** What a script prints. @throws Error with what it wrote to stderr when it fails */
export function runPython(script: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(python, [script, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(stderr.split('\n').slice(-12).join('\n'));
  return stdout;
}
