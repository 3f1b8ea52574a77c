/**
 * Tensors and resident memory over a long run of the tiny preset, with looks, checkpoints, pictures and TensorBoard.
 *
 *   npm run bench -- steps          # 2,000 steps
 *   npm run bench -- steps 200
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainJob, trainJobOptions } from '../src/jobs/train.js';
import { planTraining } from '../src/jobs/trainPlan.js';
import { tf } from '../src/tf/index.js';

const steps = Number(process.argv[2] ?? 2000);
const job = trainJobOptions.parse({
  data: { type: 'simulated', count: 24, fieldSize: 96 },
  model: { preset: 'tiny', imgSize: 64 },
  train: { maxSteps: steps, batchSize: 1, promptsPerImage: 2, evaluateEvery: 250, checkpointEvery: 100 },
  run: { folder: join(mkdtempSync(join(tmpdir(), 'steps-')), 'run') },
});

interface Look {
  readonly step: number;
  readonly tensors: number;
  readonly bytes: number;
  readonly resident: number;
}
const looks: Look[] = [];
const every = Math.max(1, Math.floor(steps / 20));

const context = { emit: () => {} };
const plan = await planTraining(job, '.', context);
const started = performance.now();
const cpu = process.cpuUsage();
await trainJob(job, '.', false, {
  emit: (event) => {
    if (event.kind !== 'progress' || event.unit !== 'steps' || event.done % every !== 0) return;
    const { numTensors: tensors, numBytes: bytes } = tf.memory();
    looks.push({ step: event.done, tensors, bytes, resident: process.memoryUsage.rss() });
    const own = looks.at(-1) as Look;
    console.log(
      `step ${own.step}: ${tensors} tensors of ${(bytes / 1e6).toFixed(1)} MB, resident ${(own.resident / 1e6).toFixed(0)} MB`,
    );
  },
});
const used = process.cpuUsage(cpu);
const settled = looks.filter(({ step }) => step >= steps / 4);
const [first, last] = [settled[0] as Look, settled.at(-1) as Look];
const each = settled.map(({ tensors }) => tensors);
const peak = process.resourceUsage().maxRSS / 1000;
console.log(
  [
    `${steps} steps, ${((performance.now() - started) / 1000 / steps).toFixed(2)} s each, CPU ${((used.user + used.system) / 1e6 / steps).toFixed(2)} s (dry run: ${plan.time.secondsPerStep.toFixed(2)} s)`,
    `tensors from step ${first.step} on: ${Math.min(...each)} to ${Math.max(...each)}`,
    `resident memory from step ${first.step} to ${last.step}: ${((last.resident - first.resident) / 1e6).toFixed(1)} MB more, peak ${peak.toFixed(0)} MB (dry run: ${(plan.memoryBytes / 1e6).toFixed(0)} MB)`,
  ].join('\n'),
);
process.exitCode = Math.min(...each) === Math.max(...each) ? 0 : 1;
