import { product, tf } from '../../src/tf/index.js';
import type { Costs } from './pairs.js';

/** Peak resident memory of this process so far, in MiB. */
export const peakMiB = (): number => process.resourceUsage().maxRSS / 1024;

/** Seconds and CPU seconds of some work. */
export function timed(work: () => void): { readonly seconds: number; readonly cpu: number } {
  const cpu = process.cpuUsage();
  const start = performance.now();
  work();
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpu: (used.user + used.system) / 1e6 };
}

/** GFLOP/s of a 2048 x 2048 product in this process, best of six. */
export function matmulGflops(): number {
  const side = 2048;
  const a = tf.randomUniform([side, side], -1, 1);
  const runs = Array.from({ length: 6 }, () => timed(() => product(a, a).dispose()).seconds);
  a.dispose();
  return (2 * side ** 3) / Math.min(...runs) / 1e9;
}

/** Reports steps to the parent process. */
export function report(
  runs: readonly { readonly seconds: number; readonly cpu: number }[],
  peak: number,
): void {
  const costs: Costs = {
    seconds: runs.map((r) => r.seconds),
    cpu: runs.map((r) => r.cpu),
    peakMiB: peakMiB(),
    matmulGflops: peak,
  };
  console.log(JSON.stringify(costs));
}

/** The value of `--name value` on the command line. */
export function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
}
