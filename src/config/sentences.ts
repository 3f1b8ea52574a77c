import type { z } from 'zod';
import { didYouMean } from '../core/nearest.js';

type Issue = z.core.$ZodIssue;

const KINDS: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  record: 'a map',
  object: 'a map',
};
const MOST_SHOWN = 60;

/** What is wrong with a value, in words, for sentences that begin with its name: `must be above 0, and is -3`. */
export function sentenceOf(issue: Issue, given: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return wanted(KINDS[issue.expected] ?? issue.expected, given);
    case 'invalid_union': {
      const kinds = issue.errors.flatMap((branch) => branch.flatMap(kindOf));
      return wanted([...new Set(kinds)].join(' or ') || 'another value', given);
    }
    case 'too_small':
      return outside(issue.origin, Number(issue.minimum), issue.inclusive ? 'or more' : 'above', given);
    case 'too_big':
      return outside(issue.origin, Number(issue.maximum), issue.inclusive ? 'or less' : 'below', given);
    case 'not_multiple_of':
      return wanted(`a multiple of ${issue.divisor}`, given);
    case 'invalid_value':
      return noChoice(typeof given === 'string' ? given : written(given), issue.values.map(String));
    default:
      return issue.message;
  }
}

/** For a value that is none of a few, with the one that was meant. */
export const noChoice = (given: string, choices: readonly string[]): string =>
  `\`${given}\` is none of ${choices.join(', ')}${didYouMean(given, choices)}`;

/** The value at a path inside what was given. */
export function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], given);
}

/** What one branch of a union takes, where its issue is about the whole value. */
function kindOf(issue: Issue): string[] {
  if (issue.path.length > 0) return [];
  if (issue.code === 'invalid_type') return [KINDS[issue.expected] ?? issue.expected];
  return issue.code === 'invalid_value' ? issue.values.map((value) => `\`${String(value)}\``) : [];
}

const wanted = (what: string, given: unknown): string =>
  given === undefined ? `is missing; wanted is ${what}` : `must be ${what}, and is ${shown(given)}`;

function outside(
  origin: string,
  bound: number,
  side: 'or more' | 'above' | 'or less' | 'below',
  given: unknown,
): string {
  const isInclusive = side.startsWith('or');
  const limit = isInclusive ? `${bound} ${side}` : `${side} ${bound}`;
  if (origin === 'array') return `must have ${limit} entries, and has ${lengthOf(given)}`;
  if (origin === 'string') return `must have ${limit} letters, and has ${lengthOf(given)}`;
  return wanted(limit, given);
}

const lengthOf = (given: unknown): number => (given as { readonly length?: number } | undefined)?.length ?? 0;

/** A value as it would be typed, in backticks where it is text; long ones are cut. */
function shown(given: unknown): string {
  if (typeof given === 'number') return String(given);
  const text = typeof given === 'string' ? given : written(given);
  return `\`${text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}...` : text}\``;
}

/** As JSON, where it can be written so: programs may give anything. */
function written(given: unknown): string {
  try {
    return JSON.stringify(given) ?? typeof given;
  } catch {
    return typeof given;
  }
}
