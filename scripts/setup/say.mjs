import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's root folder. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A foreseen failure: a sentence and its repair. */
export class Trouble extends Error {
  constructor(message, fix) {
    super(message);
    this.fix = fix;
  }
}

/** Talk goes to stderr; results of commands own stdout. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a program to its end and returns what it printed. A line every ten seconds says that it is still at work.
 * @returns {Promise<{code: number, output: string}>} code 127 when the program does not exist
 */
export function run(command, args, { title, cwd = ROOT, env = {}, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const ticker = title ? setInterval(() => say(`  ${title}: ${seconds()} s so far`), 10_000) : undefined;
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, timeout: timeoutMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const end = (code) => {
      clearInterval(ticker);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += error.message;
      end(127);
    });
    child.on('close', (code) => end(code ?? 1));
  });
}

/** The last lines of a program's output, indented, for messages. */
export function tail(output, lines = 8) {
  return output
    .trim()
    .split('\n')
    .filter((line) => !line.startsWith('WARNING: Retrying'))
    .slice(-lines)
    .map((line) => `    ${line}`)
    .join('\n');
}
