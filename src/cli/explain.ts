import { CellsamError } from '../core/errors.js';

const SHOWN_PROBLEMS = 30;
const KINDS: Readonly<Record<string, string>> = {
  UsageError: 'Usage',
  ConfigError: 'Configuration',
  DataError: 'Data',
  WeightsError: 'Weights',
  SetupError: 'Set-up',
  OutputError: 'Output',
  NumericError: 'Numbers',
  ExportError: 'Export',
  PartialError: 'Incomplete',
  Interrupted: 'Stopped',
};

/** Any failure as text for a person: the sentence, the places, the repair; for bugs the trace and how to report it. */
export function explain(
  thrown: unknown,
  options: { readonly debug: boolean; readonly version: string },
): string {
  if (!(thrown instanceof CellsamError)) return explainBug(thrown, options.version);
  const lines = [`${KINDS[thrown.name] ?? thrown.name}: ${thrown.message}`];
  const width = Math.min(48, Math.max(0, ...thrown.problems.map((p) => p.where?.length ?? 0)));
  for (const { where, message } of thrown.problems.slice(0, SHOWN_PROBLEMS)) {
    lines.push(`  ${(where ?? '').padEnd(width)}  ${withoutPlace(message, where)}`);
  }
  const hidden = thrown.problems.length - SHOWN_PROBLEMS;
  if (hidden > 0) lines.push(`  ... and ${hidden} more (all of them with --json)`);
  if (thrown.fix !== undefined) lines.push(`To mend it: ${thrown.fix}.`);
  if (options.debug && thrown.stack !== undefined) lines.push(thrown.stack);
  return lines.join('\n');
}

/** A message whose sentence begins with the place that stands before it already. */
export function withoutPlace(message: string, where: string | undefined): string {
  if (where === undefined || where === '') return message;
  const at = message.indexOf(`${where} `);
  const isFirst = at === 0 || (at > 0 && message.slice(0, at).endsWith(': '));
  return isFirst ? message.slice(0, at) + message.slice(at + where.length + 1) : message;
}

function explainBug(thrown: unknown, version: string): string {
  const trace = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return [
    'This is a bug in cellsam, not in what you did.',
    trace,
    `Please report it with this text, cellsam ${version}, Node ${process.version}, ${process.platform} ${process.arch}.`,
  ].join('\n');
}
