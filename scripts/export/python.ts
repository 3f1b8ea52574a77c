import { spawnSync } from 'node:child_process';
import type { NamedArray } from '../../src/core/arrays.js';
import type { Case } from '../../src/export/verify/cases.js';
import { writeSafetensors } from '../../src/io/safetensorsWrite.js';

/** The Python that checks are run with: `PYTHON`, or `python3`. */
export const python = process.env['PYTHON'] ?? 'python3';

/** Whether it has all of these modules. */
export function hasModules(modules: readonly string[]): boolean {
  const program = `import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in ${JSON.stringify(modules)}))`;
  return spawnSync(python, ['-c', program]).status === 0;
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

/** One output of one case in Python's runtime against the live model. */
export interface PythonDifference {
  readonly program: string;
  readonly output: string;
  readonly relative: number;
}

/**
 * Writes the inputs of cases and what the live model made of them, for `checkInPython`.
 *
 * @param names what the form calls a program; undefined where it has it not, and its cases are left out
 */
export async function writeCases(
  path: string,
  cases: readonly Case[],
  names: (program: string) => string | undefined,
): Promise<void> {
  const arrays = new Map<string, NamedArray>();
  for (const [i, { program, inputs, outputs }] of cases.entries()) {
    const name = names(program);
    if (name === undefined) continue;
    for (const [key, value] of Object.entries(inputs)) arrays.set(`${name}/${i}/in/${key}`, value);
    for (const [key, value] of Object.entries(outputs)) arrays.set(`${name}/${i}/out/${key}`, value);
  }
  await writeSafetensors(path, arrays);
}

/** Ways to load an export: `serving` loads a SavedModel as TensorFlow Serving does. */
export type PythonLoader = 'onnx' | 'savedmodel' | 'serving';

/**
 * Loads exported files in Python, checks them, and runs them on the inputs of all cases. Nothing of a model need be in
 * this process meanwhile.
 *
 * @param folder the form's own, as `exportModel` wrote it
 * @param cases a file that `writeCases` wrote
 */
export function checkInPython(
  loader: PythonLoader,
  folder: string,
  cases: string,
): readonly PythonDifference[] {
  return JSON.parse(runPython('scripts/export/check.py', [loader, folder, cases]));
}
