import { readFileSync } from 'node:fs';
import yargs from 'yargs';
import { noChoice } from '../config/sentences.js';
import { CellsamError, PartialError, type Problem, UsageError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import { explain } from './explain.js';
import { interruptible } from './interrupt.js';
import { createProgress } from './progress.js';
import type { Verb } from './verb.js';
import { VERBS } from './verbs.js';

const HELP_WIDTH = 110;

/**
 * The command line: parses, runs one verb, prints its result on stdout and everything else on stderr.
 *
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  const isJson = argv.includes('--json');
  const isDebug = argv.includes('--debug');
  try {
    return await dispatch(argv, isJson);
  } catch (thrown) {
    process.stderr.write(`${explain(thrown, { debug: isDebug, version: version() })}\n`);
    if (isJson) process.stdout.write(`${JSON.stringify(errorAsJson(thrown))}\n`);
    return thrown instanceof CellsamError ? thrown.exitCode : 1;
  }
}

async function dispatch(argv: readonly string[], isJson: boolean): Promise<number> {
  const name = argv.find((argument) => !argument.startsWith('-'));
  if (name === undefined) return showOverview(argv);
  const load = VERBS[name];
  if (load === undefined) {
    throw new UsageError(`there is no verb \`${name}\`${didYouMean(name, Object.keys(VERBS))}`, {
      fix: `choose one of ${Object.keys(VERBS).join(', ')}; \`cellsam --help\` tells what they do`,
    });
  }
  const { verb } = await load();
  const parsed = await parse(verb, argv);
  if (parsed === undefined) return 0;
  const progress = createProgress(process.stderr, { quiet: parsed['quiet'] === true });
  const interrupt = interruptible(process.stderr);
  try {
    const result = await verb.run(parsed, { emit: progress.listen, signal: interrupt.signal });
    progress.end();
    const text = isJson ? JSON.stringify(result) : verb.render(result);
    if (text !== '') process.stdout.write(`${text}\n`);
    return verb.exitCode?.(result) ?? 0;
  } catch (thrown) {
    progress.end();
    if (!isJson && thrown instanceof PartialError && thrown.result !== undefined)
      process.stdout.write(`${verb.render(thrown.result)}\n`);
    throw thrown;
  } finally {
    progress.end();
    interrupt.end();
  }
}

/** Parsed arguments, or undefined when the help was asked for and printed. */
async function parse(verb: Verb, argv: readonly string[]): Promise<Record<string, unknown> | undefined> {
  let failure: string | undefined;
  const parser = yargs([])
    .scriptName('cellsam')
    .command(verb.command, verb.about, (y) => {
      for (const [name, positional] of Object.entries(verb.positionals ?? {})) y.positional(name, positional);
      for (const [name, option] of Object.entries(verb.options))
        y.option(name, { ...option, requiresArg: option.type !== 'boolean' });
      for (const [command, what] of verb.examples) y.example(command, what);
      return y;
    })
    .options({
      json: { type: 'boolean', describe: 'print the result as one JSON object' },
      quiet: { type: 'boolean', describe: 'no progress, only warnings and the result' },
      debug: { type: 'boolean', describe: 'with errors, print the stack trace too' },
    })
    .strictOptions()
    .locale('en') // usageError reads its messages
    .version(version())
    .help()
    .alias('h', 'help')
    .wrap(Math.min(HELP_WIDTH, process.stdout.columns ?? HELP_WIDTH))
    .exitProcess(false)
    .fail((message, error) => {
      failure ??= message ?? error?.message;
    });
  let printed = '';
  const parsed = await parser.parse([...argv], {}, (_error: unknown, _argv: unknown, output: string) => {
    printed = output;
  });
  if (failure !== undefined) throw usageError(failure, verb);
  if (argv.includes('--help') || argv.includes('-h') || argv.includes('--version')) {
    process.stdout.write(`${printed}\n`);
    return undefined;
  }
  requireNumbers(verb, parsed as Record<string, unknown>, argv);
  return parsed as Record<string, unknown>;
}

/** @throws UsageError naming every option that takes a number and was given something else, as it was typed */
function requireNumbers(verb: Verb, parsed: Record<string, unknown>, argv: readonly string[]): void {
  const problems = Object.entries(verb.options).flatMap(([name, { type }]): Problem[] => {
    const value = parsed[name];
    const where = `--${name}`;
    if (type !== 'number' || value === undefined) return [];
    if (Array.isArray(value)) return [{ where, message: `is given ${value.length} times; once is meant` }];
    return Number.isNaN(value)
      ? [{ where, message: `must be a number, and is \`${typed(argv, where)}\`` }]
      : [];
  });
  if (problems.length === 0) return;
  throw notRight(verb, problems);
}

/** What stands behind a flag on the command line; yargs takes `--min-size` and `--minSize`, with a blank or `=`. */
function typed(argv: readonly string[], flag: string): string {
  const camel = flag.replace(/(?<=\w)-(\w)/g, (_, letter: string) => letter.toUpperCase());
  for (const [i, argument] of argv.entries()) {
    if (argument === flag || argument === camel) return argv[i + 1] ?? '';
    const at = argument.indexOf('=');
    if (at > 0 && [flag, camel].includes(argument.slice(0, at))) return argument.slice(at + 1);
  }
  return '';
}

const nameOf = ({ command }: Verb): string => command.split(' ')[0] as string;

const notRight = (verb: Verb, problems: readonly Problem[]): UsageError =>
  new UsageError(`arguments of \`cellsam ${nameOf(verb)}\` are not right`, {
    problems,
    fix: `see \`cellsam ${nameOf(verb)} --help\``,
  });

function usageError(message: string, verb: Verb): UsageError {
  const choices = [...message.matchAll(/Argument: (\S+), Given: (.*), Choices:/g)];
  if (choices.length > 0)
    return notRight(
      verb,
      choices.flatMap(([, name, given]) => wrongChoices(verb, name, given)),
    );
  const [, bare] = /^Not enough arguments following: (.+)/.exec(message) ?? [];
  if (bare !== undefined) return notRight(verb, [{ where: `--${bare}`, message: 'needs a value' }]);
  const unknown = /Unknown arguments?: (.+)/.exec(message)?.[1]?.split(', ')[0];
  const hint = unknown === undefined ? '' : didYouMean(unknown, Object.keys(verb.options));
  return new UsageError(`${message}${hint}`, { fix: `see \`cellsam ${nameOf(verb)} --help\`` });
}

/** @param given yargs' text of all values of an argument: `"a", "b"` */
function wrongChoices(verb: Verb, name = '', given = ''): Problem[] {
  const { choices = [] } = verb.options[name] ?? verb.positionals?.[name] ?? {};
  const known = [...choices].map(String);
  const values = JSON.parse(`[${given}]`) as unknown[];
  const where = verb.options[name] === undefined ? name : `--${name}`;
  return values
    .map(String)
    .filter((value) => !known.includes(value))
    .map((value) => ({ where, message: noChoice(value, known) }));
}

async function showOverview(argv: readonly string[]): Promise<number> {
  if (argv.includes('--version')) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const lines = ['cellsam: train, adapt and use cell-segmentation models', '', 'Verbs'];
  for (const load of Object.values(VERBS)) {
    const { verb } = await load();
    lines.push(`  ${(verb.command.split(' ')[0] ?? '').padEnd(14)}${verb.about}`);
  }
  lines.push('', 'Each verb: `cellsam VERB --help`, with examples.', 'Exit codes: docs/exit-codes.md');
  process.stdout.write(`${lines.join('\n')}\n`);
  const asked = argv.length === 0 || argv.includes('--help') || argv.includes('-h');
  return asked ? 0 : 2;
}

function errorAsJson(thrown: unknown): object {
  if (!(thrown instanceof CellsamError)) return { error: { kind: 'bug', message: String(thrown) } };
  const { name, message, where, fix, problems } = thrown;
  const done = thrown instanceof PartialError ? { result: thrown.result } : {};
  return { error: { kind: name, message, where, fix, problems }, ...done };
}

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
