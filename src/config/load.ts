import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { ConfigError, type Problem, reason } from '../core/errors.js';
import { applyOverrides, parseOverrides } from './overrides.js';
import { resolvePaths } from './paths.js';
import { describeIssues } from './problems.js';

export interface LoadedConfig<T> {
  /** Checked, complete (defaults filled in) and deeply frozen. */
  readonly config: T;
  /** The file's folder. */
  readonly folder: string;
  readonly path: string | undefined;
}

/**
 * Reads a YAML job file, applies `key.sub=value` overrides, and checks the result against a strict schema.
 *
 * @param path the file; undefined for a job that is given by overrides alone
 * @param overrides as typed on the command line, e.g. `train.maxSteps=50`
 * @param paths keys that hold paths (`data.root`, `data.sets.*.root`); they come back absolute: those in the file are
 *   relative to the file, those on the command line to the working directory
 * @throws ConfigError with all problems at once, each with its line or flag, its key and the nearest known key
 */
export async function loadConfig<S extends z.ZodType>(
  schema: S,
  path: string | undefined,
  overrides: readonly string[] = [],
  paths: readonly string[] = [],
): Promise<LoadedConfig<z.output<S>>> {
  const text = path === undefined ? '{}' : await readText(path);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: true,
    maxAliasCount: 20,
  } as object);
  const title = path ?? 'the command line';
  if (document.errors.length > 0) {
    throw new ConfigError(`${title} is not YAML`, {
      where: title,
      problems: document.errors.map((error) => syntaxProblem(error)),
      fix: 'YAML wants `key: value` with a blank after the colon, and equal indentation of equal levels',
    });
  }
  const parsed = parseOverrides(overrides);
  applyOverrides(document, parsed);
  const result = schema.safeParse(document.toJS({ maxAliasCount: 20 }) ?? {});
  if (!result.success) {
    const problems = describeIssues(result.error.issues, schema, document, lines, parsed);
    throw new ConfigError(
      `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'} in ${title}`,
      {
        where: title,
        problems,
        fix: 'docs/configuration.md describes every key',
      },
    );
  }
  const folder = path === undefined ? process.cwd() : dirname(resolve(path));
  const folders = { file: folder, workingDirectory: process.cwd() };
  return { config: freeze(resolvePaths(result.data, paths, parsed, folders)), folder, path };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    throw new ConfigError(`cannot read the configuration ${path}: ${reason(thrown)}`, {
      where: path,
      fix: 'check the path; ready-made configurations lie in configs/',
      cause: thrown,
    });
  }
}

function syntaxProblem(error: {
  message: string;
  linePos?: readonly { line: number }[] | undefined;
}): Problem {
  const line = error.linePos?.[0]?.line;
  return {
    ...(line === undefined ? {} : { where: `line ${line}` }),
    message: error.message.split('\n')[0] ?? error.message,
  };
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
