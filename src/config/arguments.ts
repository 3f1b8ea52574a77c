import type { z } from 'zod';
import { UsageError } from '../core/errors.js';
import { argumentProblems, optionProblems } from './argumentProblems.js';

/**
 * The arguments of a verb, checked, with defaults filled in; those that are undefined count as not given.
 *
 * @throws UsageError listing every argument that is not right, under its flag
 */
export function parseArguments<S extends z.ZodType>(
  schema: S,
  given: Readonly<Record<string, unknown>>,
  verb: string,
): z.output<S> {
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = schema.safeParse(present);
  if (parsed.success) return parsed.data;
  throw new UsageError(`arguments of \`cellsam ${verb}\` are not right`, {
    problems: argumentProblems(present, parsed.error),
    fix: `see \`cellsam ${verb} --help\``,
  });
}

/**
 * The options of a call of the library, checked, with defaults filled in.
 *
 * @param call its name, for the message
 * @throws UsageError listing every option that is not right, unknown ones with the nearest known name
 */
export function parseOptions<S extends z.ZodType>(schema: S, given: unknown, call: string): z.output<S> {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = optionProblems(schema, given, parsed.error);
  const [first] = problems;
  throw new UsageError(`options of ${call} are not right: ${first?.where} ${first?.message}`, { problems });
}
