import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A Python script of `bench/` that answers every line with a line, so that its work alternates with ours. */
export class LineProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts it and waits for its first line; undefined where Python has no torch. */
  static async open(script: string, args: readonly string[]): Promise<LineProcess | undefined> {
    const python = process.env['PYTHON'] ?? 'python3';
    if (spawnSync(python, ['-c', 'import torch']).status !== 0) return undefined;
    const path = fileURLToPath(new URL(`../../../bench/${script}`, import.meta.url));
    const child = spawn(python, [path, ...args]);
    child.stderr.pipe(process.stderr);
    const opened = new LineProcess(child);
    await opened.#next();
    return opened;
  }

  async ask(question: string): Promise<string> {
    this.#child.stdin.write(`${question}\n`);
    return this.#next();
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the Python process ended');
    return value;
  }

  close(): void {
    this.#child.stdin.end();
  }
}
