import type { z } from 'zod';
import type { Problem } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import { knownKeys } from './problems.js';
import { sentenceOf, valueAt } from './sentences.js';

/** What is wrong with the arguments of a command, each under its flag; for a choice with the name that was meant. */
export function argumentProblems(given: unknown, { issues }: z.ZodError): Problem[] {
  return issues.map((issue) => ({
    where: flagOf(issue.path),
    message: sentenceOf(issue, valueAt(given, issue.path)),
  }));
}

/** The same of a call's options, each under its name; for an unknown one with the name that was meant. */
export function optionProblems(schema: z.ZodType, given: unknown, { issues }: z.ZodError): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys')
      return {
        where: issue.path.map(String).join('.'),
        message: sentenceOf(issue, valueAt(given, issue.path)),
      };
    const known = knownKeys(schema, issue.path);
    return issue.keys.map((key) => ({
      where: [...issue.path, key].map(String).join('.'),
      message: `there is no such option${didYouMean(key, known)}`,
    }));
  });
}

/** `images.pixelSizeUm` is typed as `--pixel-size`: keys tell their unit, flags do not. */
function flagOf(path: readonly PropertyKey[]): string {
  const key = path.findLast((part) => typeof part === 'string') ?? '';
  const name = key.replace(/(Um|Seconds)$/, '');
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
