import { type Problem, WeightsError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';

/** Pairs of names that are compared for the hints: a quarter of a second. */
const MAX_PAIRS = 50_000;

/**
 * One error that lists everything in which a file and a model disagree, or undefined when they fit.
 *
 * @param allowMissing names that the file need not have
 */
export function mismatchError(
  expected: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  found: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  allowMissing: readonly RegExp[],
): WeightsError | undefined {
  const problems: Problem[] = [];
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  const missing = [...expected.keys()].filter((name) => !found.has(name)).length;
  const candidates = missing * unexpected.length > MAX_PAIRS ? [] : unexpected;
  for (const [name, { shape }] of expected) {
    const array = found.get(name);
    if (array === undefined) {
      if (allowMissing.some((pattern) => pattern.test(name))) continue;
      problems.push({
        where: name,
        message: `missing, shape [${shape.join(', ')}]${didYouMean(name, candidates)}`,
      });
    } else if (array.shape.join() !== shape.join()) {
      problems.push({
        where: name,
        message: `has shape [${array.shape.join(', ')}], the model needs [${shape.join(', ')}]`,
      });
    }
  }
  for (const name of unexpected)
    problems.push({ where: name, message: 'is in the file and not in the model' });
  if (problems.length === 0) return undefined;
  return new WeightsError(
    `the weights do not fit the model: ${problems.length} of ${expected.size} names disagree`,
    {
      problems,
      fix: 'check the model preset; for new heads that should start fresh pass --allow-missing with a pattern of their names',
    },
  );
}
