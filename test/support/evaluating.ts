import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CellsamError } from '../../src/core/errors.js';
import { evaluate, evaluateJobOptions } from '../../src/jobs/evaluate.js';

export const context = { emit: () => {} };

export const run = (options: object) => evaluate(evaluateJobOptions.parse(options), context);

export const folder = () => mkdtempSync(join(tmpdir(), 'evaluate-'));

/** The sentence and the problems of work that is to fail. */
export async function failure(work: Promise<unknown>): Promise<string> {
  const thrown = await work.then(
    () => undefined,
    (error) => error,
  );
  if (!(thrown instanceof CellsamError)) throw thrown ?? new Error('it did not fail');
  return [thrown.message, ...thrown.problems.map(({ where, message }) => `${where}: ${message}`)].join('\n');
}
