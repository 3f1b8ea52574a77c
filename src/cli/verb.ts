import type { Options, PositionalOptions } from 'yargs';
import type { JobContext } from '../core/events.js';

/** The arguments as yargs parsed them. */
export type VerbArguments = Readonly<Record<string, unknown>>;

/**
 * One verb of `cellsam`: arguments in, a job's result out. `run` neither prints nor exits; the command line draws the
 * events, prints `render(result)` or, with --json, the result itself, and sets the exit code.
 */
export interface Verb<Result = unknown> {
  /** In yargs' form, e.g. `segment <inputs..>`. */
  readonly command: string;
  readonly about: string;
  /** Commands that run as printed, with what they do. */
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly positionals?: Readonly<Record<string, PositionalOptions>>;
  readonly options: Readonly<Record<string, Options>>;
  run(args: VerbArguments, context: JobContext): Promise<Result>;
  /** The result as text for a person, without a newline at the end. */
  render(result: Result): string;
  /** For results that are not failures of the program but should be noticed by scripts, e.g. problems found by `check`. */
  exitCode?(result: Result): number;
}
