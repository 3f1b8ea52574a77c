/**
 * Training twice from the same seed, with recomputation and chunks and without: losses step by step, time, CPU time.
 *
 *   npm run bench -- recompute                           200 steps on DSB 2018 in ../shared/data
 *   npm run bench -- recompute --steps 20 --side 128
 *   npm run bench -- recompute --bfloat16                with recomputation both times, in bfloat16 and in float32
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainJob, trainJobOptions } from '../src/jobs/train.js';
import { metricsPath } from '../src/train/runFolder.js';
import { option } from './support/measure.js';

const steps = option('steps', 200);
const side = option('side', 256);
const root = join(process.cwd(), '../shared/data/dsb2018');
const scratch = mkdtempSync(join(tmpdir(), 'recompute-'));

const isRounded = process.argv.includes('--bfloat16');

/** Losses of a run, step by step. */
async function losses(name: string, how: { recompute: boolean; bfloat16?: boolean }): Promise<number[]> {
  const folder = join(scratch, name);
  const job = trainJobOptions.parse({
    data: { type: 'dsb2018', root },
    model: { preset: 'tiny', imgSize: side },
    train: {
      ...how,
      maxSteps: steps,
      batchSize: 1,
      learningRate: 1e-4,
      averageDecay: 0,
      evaluateEvery: steps + 1,
      checkpointEvery: steps + 1,
      previews: 0,
    },
    run: { folder },
  });
  const cpu = process.cpuUsage();
  const start = performance.now();
  await trainJob(job, '.', false, { emit: () => {} });
  const used = process.cpuUsage(cpu);
  console.log(
    `${name}: ${((performance.now() - start) / 1000).toFixed(0)} s, ${((used.user + used.system) / 1e6).toFixed(0)} CPU s, start and end included`,
  );
  return readFileSync(metricsPath(folder), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; loss?: number })
    .flatMap((line) => (line.loss === undefined ? [] : [line.loss]));
}

try {
  const [on, off] = isRounded
    ? [
        await losses('bfloat16', { recompute: true, bfloat16: true }),
        await losses('float32', { recompute: true }),
      ]
    : [await losses('recomputed', { recompute: true }), await losses('kept', { recompute: false })];
  const difference = (upTo: number) =>
    Math.max(...on.slice(0, upTo).map((loss, i) => Math.abs(loss / (off[i] as number) - 1)));
  for (const upTo of [1, 10, 50, 100, 200].filter((n) => n <= steps))
    console.log(
      `steps 1 to ${upTo}: losses differ by at most ${difference(upTo).toExponential(1)} of themselves, last ${on[upTo - 1]?.toFixed(5)} and ${off[upTo - 1]?.toFixed(5)}`,
    );
  if (!isRounded) console.log(`wanted: at most 1e-4; ${difference(steps) <= 1e-4 ? 'met' : 'not met'}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
