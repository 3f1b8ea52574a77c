import type { z } from 'zod';
import type { Problem } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';

/** What is wrong with the arguments of a command, each under its flag; for a choice with the name that was meant. */
export function argumentProblems(given: unknown, { issues }: z.ZodError): Problem[] {
  return issues.map((issue) => {
    const name = issue.path.findLast((part) => typeof part === 'string') ?? '';
    const where = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (issue.code !== 'invalid_value') return { where, message: issue.message };
    const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], given);
    const choices = issue.values.map(String);
    const message = `\`${String(value)}\` is none of ${choices.join(', ')}`;
    return { where, message: `${message}${didYouMean(String(value), choices)}` };
  });
}
