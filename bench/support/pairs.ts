import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What one process reports about its steps. */
export interface Costs {
  readonly seconds: readonly number[];
  readonly cpu: readonly number[];
  readonly peakMiB: number;
  readonly matmulGflops: number;
}

export interface Ratio {
  readonly time: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Time and CPU time of the fastest step. */
export const best = (costs: Costs) => ({ seconds: Math.min(...costs.seconds), cpu: Math.min(...costs.cpu) });

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** Runs this bench once more in a process of its own and reads the line of JSON that it prints. */
export function ours(bench: string, args: readonly string[]): Costs {
  return JSON.parse(output(process.execPath, [bench, '--child', ...args])) as Costs;
}

/** The PyTorch equivalent, or undefined where there is no torch. */
export function torch(script: string, args: readonly string[]): Costs | undefined {
  const python = process.env['PYTHON'] ?? 'python3';
  if (spawnSync(python, ['-c', 'import torch']).status !== 0) return undefined;
  return JSON.parse(
    output(python, [fileURLToPath(new URL(`../../../bench/${script}`, import.meta.url)), ...args]),
  ) as Costs;
}

function output(command: string, args: readonly string[]): string {
  const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const line = run.stdout.split('\n').find((l) => l.startsWith('{'));
  if (run.status !== 0 || line === undefined) throw new Error(`${command} ${args.join(' ')}: ${run.stderr}`);
  return line;
}

/**
 * Ours and PyTorch's, or two others, alternating, each in a process of its own; prints every run and the medians of the
 * paired ratios.
 *
 * @param gflop counted floating-point operations of a step, for the share of the matmul peak
 * @returns the medians, or undefined without torch
 */
export function pairs(
  count: number,
  run: { readonly ours: () => Costs; readonly theirs: () => Costs | undefined },
  gflop: number,
  names: readonly [string, string] = ['ours', 'PyTorch'],
): Ratio | undefined {
  console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`);
  const ratios: Ratio[] = [];
  for (let i = 0; i < count; i++) {
    const mine = run.ours();
    print(names[0], mine, gflop);
    const theirs = run.theirs();
    if (theirs === undefined) {
      console.log('PyTorch: not measured (set PYTHON to a Python with torch)');
      continue;
    }
    print(names[1], theirs, gflop);
    const [a, b] = [best(mine), best(theirs)];
    ratios.push({ time: a.seconds / b.seconds, cpu: a.cpu / b.cpu, memory: mine.peakMiB / theirs.peakMiB });
    console.log(`pair ${i + 1}: ${text(ratios.at(-1) as Ratio)}`);
  }
  if (ratios.length === 0) return undefined;
  const middle = (key: keyof Ratio) => median(ratios.map((r) => r[key]));
  const medians = { time: middle('time'), cpu: middle('cpu'), memory: middle('memory') };
  console.log(`median of ${ratios.length}: ${text(medians)}`);
  return medians;
}

const text = ({ time, cpu, memory }: Ratio): string =>
  `${time.toFixed(2)}x time, ${cpu.toFixed(2)}x CPU time, ${memory.toFixed(2)}x memory`;

function print(who: string, costs: Costs, gflop: number): void {
  const { seconds, cpu } = best(costs);
  const share = gflop / seconds / costs.matmulGflops;
  console.log(
    `${who.padEnd(8)} ${seconds.toFixed(1)} s, ${cpu.toFixed(1)} CPU s, peak ${(costs.peakMiB / 1024).toFixed(2)} GiB, ` +
      `${(gflop / seconds).toFixed(0)} of ${costs.matmulGflops.toFixed(0)} GFLOP/s (${(100 * share).toFixed(0)} % of the matmul peak), load ${loadavg()[0]?.toFixed(1)}`,
  );
}
