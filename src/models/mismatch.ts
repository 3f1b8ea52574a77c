import type { NamedArrays } from '../core/arrays.js';
import { type Problem, WeightsError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';

/**
 * One error that lists everything in which a file and a model disagree, or undefined when they fit.
 *
 * @param allowMissing names that the file need not have @param allowUnexpected names that the model may leave unused
 */
export function mismatchError(
  expected: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  found: NamedArrays,
  allowMissing: readonly RegExp[],
  allowUnexpected: readonly RegExp[],
): WeightsError | undefined {
  const problems: Problem[] = [];
  const unexpected = [...found.keys()].filter(
    (name) => !expected.has(name) && !allowUnexpected.some((r) => r.test(name)),
  );
  for (const [name, { shape }] of expected) {
    const array = found.get(name);
    if (array === undefined) {
      if (allowMissing.some((pattern) => pattern.test(name))) continue;
      problems.push({
        where: name,
        message: `missing, shape [${shape.join(', ')}]${didYouMean(name, unexpected)}`,
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
