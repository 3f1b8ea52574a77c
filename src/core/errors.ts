/** One thing that is wrong: where it is and how it can be mended. */
export interface Problem {
  /** File, line, key or flag, as the user wrote it. */
  readonly where?: string;
  /** A sentence: what was expected and what was found. */
  readonly message: string;
}

export interface ErrorDetails {
  readonly where?: string;
  readonly fix?: string;
  readonly problems?: readonly Problem[];
  readonly cause?: unknown;
}

/**
 * The parent of every failure that the program foresees. It is a sentence, a place and a repair; several
 * problems of one kind travel in one error. Anything else that is thrown is a bug.
 */
export abstract class CellsamError extends Error {
  /** The exit code of `cellsam`; see docs/exit-codes.md. */
  abstract readonly exitCode: number;
  readonly where: string | undefined;
  readonly fix: string | undefined;
  readonly problems: readonly Problem[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.where = details.where;
    this.fix = details.fix;
    this.problems = details.problems ?? [];
  }
}

/** Wrong flags or arguments of a command or call. */
export class UsageError extends CellsamError {
  readonly exitCode = 2;
}
/** A configuration with unknown keys, wrong values or contradictions. */
export class ConfigError extends CellsamError {
  readonly exitCode = 3;
}
/** Missing, unpaired, unreadable or mismatching images or annotations. */
export class DataError extends CellsamError {
  readonly exitCode = 4;
}
/** A corrupt or hostile weight file; missing, unexpected or wrongly shaped keys. */
export class WeightsError extends CellsamError {
  readonly exitCode = 5;
}
/** No TensorFlow, unsuitable Node, or too little memory for the job. */
export class SetupError extends CellsamError {
  readonly exitCode = 6;
}
/** An output that exists already, cannot be written, or does not fit on the disk. */
export class OutputError extends CellsamError {
  readonly exitCode = 7;
}
/** A loss or gradient that is not finite. */
export class NumericError extends CellsamError {
  readonly exitCode = 8;
}
/** A kernel without mapping, or an exported model that is not equal to the live one. */
export class ExportError extends CellsamError {
  readonly exitCode = 9;
}
/** Some inputs failed and the rest was done; `problems` lists the failures, `result` is what was done. */
export class PartialError extends CellsamError {
  readonly exitCode = 10;
  readonly result: unknown;

  constructor(message: string, details: ErrorDetails & { readonly result?: unknown } = {}) {
    super(message, details);
    this.result = details.result;
  }
}
/** Ctrl-C or an abort signal; the state was saved. */
export class Interrupted extends CellsamError {
  readonly exitCode = 130;
}

/** What the system says of files, in words; its own text repeats the path that our messages name already. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EISDIR: 'it is a folder, not a file',
  ENOTDIR: 'something on its path is a file, not a folder',
  EEXIST: 'a file of that name is in the way',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'that disk can only be read',
};

/** Text of anything that was thrown, for messages that add context to a cause. */
export function reason(thrown: unknown): string {
  const said = SYSTEM[(thrown as NodeJS.ErrnoException | undefined)?.code ?? ''];
  if (said !== undefined) return said;
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The same with the repair, for failures that are one line of a list. */
export function reasonAndFix(thrown: unknown): string {
  const fix = thrown instanceof CellsamError ? thrown.fix : undefined;
  return fix === undefined ? reason(thrown) : `${reason(thrown)}; to mend it: ${fix}`;
}

/** @throws Interrupted when the signal has been raised */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Interrupted('stopped on request');
}
