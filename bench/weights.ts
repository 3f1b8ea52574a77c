/**
 * Memory of loading a checkpoint of the published size: two ViT-B, a third unused SAM, 1.16 GB in float32. Each load runs in
 * a process of its own; what counts is the peak of its memory above the model's own bytes.
 *
 *   npm run bench -- weights            1.16 GB
 *   npm run bench -- weights --quick    a model of 4 MB, to see that it runs
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ArrayInfo, ArraySource } from '../src/core/arrays.js';
import { Random } from '../src/core/random.js';
import { writeSafetensors } from '../src/io/safetensorsWrite.js';
import { CellSam } from '../src/models/cellsam.js';
import { fileNames, sharedCopies, spareNames, weightSpecs } from '../src/models/cellsamSpecs.js';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { openWeights } from '../src/weights/load.js';
import { writeTorch } from '../src/weights/torchWrite.js';

const isQuick = process.argv.includes('--quick');
const config = isQuick ? { ...preset('tiny'), maskBranch: 'model_cp' as const } : preset('cellsam');
const MB = 1e6;

/** Numbers as the released checkpoint has them: three prefixes, the shared heads once for every layer. */
function checkpoint(): ArraySource {
  const names = fileNames(config);
  const entries = new Map<string, ArrayInfo>();
  const add = (name: string, shape: readonly number[]) =>
    entries.set(name, { shape, dtype: 'float32', stored: 'float32' });
  const first = new Map(
    [...weightSpecs(config).keys()].flatMap((name) => sharedCopies(name, config).map((copy) => [copy, name])),
  );
  for (const name of spareNames(config))
    add(name, names.get(name.replace('model.', 'model_cp.'))?.shape ?? []);
  for (const [name, { shape }] of names) add(name, shape);
  const read = async (name: string) => {
    const shape = entries.get(name)?.shape ?? [];
    const random = new Random(first.get(name) ?? name);
    const some = Float32Array.from({ length: 997 }, () => random.uniform(-0.05, 0.05));
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let at = 0; at < data.length; at += some.length) data.set(some.subarray(0, data.length - at), at);
    return { shape, dtype: 'float32' as const, data };
  };
  return { entries, read };
}

async function load(path: string): Promise<void> {
  await tf.ready();
  tf.tidy(() => tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()); // the library's own start
  const before = process.memoryUsage.rss();
  const started = performance.now();
  const file = await openWeights(path);
  const model = await CellSam.fromSource(config, file);
  await file.close();
  // The library takes numbers over at their first use.
  const sum = tf.tidy(() =>
    model.parameters.names().reduce((s, n) => s + (model.parameters.get(n).sum().dataSync()[0] ?? 0), 0),
  );
  const seconds = (performance.now() - started) / 1000;
  const bytes = model.parameters.names().reduce((n, name) => n + 4 * model.parameters.get(name).size, 0);
  const peak = process.resourceUsage().maxRSS * 1024 - before;
  console.log(JSON.stringify({ seconds, bytes, peak, rest: process.memoryUsage.rss() - before, sum }));
}

const [from] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
if (from !== undefined) await load(from);
else {
  const folder = mkdtempSync(join(tmpdir(), 'bench-weights-'));
  try {
    for (const [ending, write] of [
      ['safetensors', writeSafetensors],
      ['pt', writeTorch],
    ] as const) {
      const path = join(folder, `checkpoint.${ending}`);
      await write(path, checkpoint());
      const self = fileURLToPath(import.meta.url);
      const run = spawnSync(process.execPath, [self, path, ...process.argv.slice(2)], { encoding: 'utf8' });
      if (run.status !== 0) throw new Error(run.stderr);
      const found = JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
      const { seconds = 0, bytes = 0, peak = 0, rest = 0 } = found;
      const above = peak - bytes;
      console.log(
        `.${ending.padEnd(12)} file ${(statSync(path).size / MB).toFixed(0)} MB, model ${(bytes / MB).toFixed(0)} MB, loaded in ${seconds.toFixed(1)} s; ` +
          `peak ${(above / MB).toFixed(0)} MB above the model (wanted: at most 1000), at rest ${((rest - bytes) / MB).toFixed(0)} MB`,
      );
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
