// npm run bench -- data [folder] [epochs]: samples a second and time of the main thread, at 512 x 512 with every
// augmentation, from the raw files of DSB 2018 and from shards of them; memory over the epochs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { silent } from '../src/core/events.js';
import { Random } from '../src/core/random.js';
import { openDataset } from '../src/data/dataset.js';
import { openLoader } from '../src/data/loader/loader.js';
import { dataOptions } from '../src/data/options.js';
import { prepare, prepareJobOptions } from '../src/jobs/prepare.js';

const SIDE = 512;
const BATCH = 2;
const [root = '../shared/data/dsb2018', epochs = '10'] = process.argv.slice(2);

const everything = {
  crop: { tries: 4 },
  mosaic: { chance: 0.25 },
  rotate: { chance: 1 },
  intensity: { contrast: 0.2 },
  blur: { chance: 0.5 },
  noise: { chance: 1, photons: 0.05 },
  channelDrop: { chance: 0.5 },
  channelSwap: { chance: 0.5 },
};

interface Epoch {
  readonly samples: number;
  readonly seconds: number;
  /** Processor time of the main thread, and of all threads, per sample. */
  readonly mainMs: number;
  readonly allMs: number;
  readonly rssMb: number;
}

/**
 * Processor time of the main thread. Linux tells it apart from the other threads', in steps of 10 ms; elsewhere the time
 * that the event loop was busy has to do, which grows when other programs take the cores.
 */
function mainThreadMs(): number {
  try {
    const fields = readFileSync(`/proc/self/task/${process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
    return 10 * (Number(fields?.[11]) + Number(fields?.[12]));
  } catch {
    return performance.eventLoopUtilization().active;
  }
}

async function measure(source: object, workers: number, count: number): Promise<Epoch[]> {
  const data = dataOptions.parse({ ...source, workers, augment: everything });
  const request = {
    data,
    side: SIDE,
    pixels: { pixelMean: [0, 0, 0], pixelStd: [255, 255, 255] },
    batchSize: BATCH,
    needs: 'masks',
    random: new Random('bench'),
  } as const;
  const loader = await openLoader(await openDataset(data, '.'), request, { emit: silent });
  const measured: Epoch[] = [];
  let cursor = { epoch: 0, position: 0, random: [] as readonly number[] };
  for (let epoch = 0; epoch < count; epoch++) {
    const started = performance.now();
    const [before, all] = [mainThreadMs(), process.cpuUsage()];
    let samples = 0;
    while (cursor.epoch === epoch) {
      const batch = await loader.batchAt(cursor);
      samples += batch.ids.length;
      cursor = batch.cursor;
    }
    const { user, system } = process.cpuUsage(all);
    measured.push({
      samples,
      seconds: (performance.now() - started) / 1000,
      mainMs: (mainThreadMs() - before) / samples,
      allMs: (user + system) / 1000 / samples,
      rssMb: process.memoryUsage.rss() / 1e6,
    });
  }
  await loader.close();
  return measured;
}

function report(title: string, measured: readonly Epoch[]): void {
  console.log(`${title} (${measured[0]?.samples} samples an epoch, ${SIDE} x ${SIDE}, batches of ${BATCH})`);
  for (const [i, { samples, seconds, mainMs, allMs, rssMb }] of measured.entries())
    console.log(
      `  epoch ${String(i + 1).padStart(2)}: ${(samples / seconds).toFixed(1)} samples/s, processor ${mainMs.toFixed(1)} ms a sample on the main thread, ${allMs.toFixed(0)} ms on all, ${rssMb.toFixed(0)} MB resident`,
    );
}

report('raw files, 2 threads', await measure({ type: 'dsb2018', root }, 2, Number(epochs)));
const shards = mkdtempSync(join(tmpdir(), 'bench-shards-'));
try {
  await prepare(
    prepareJobOptions.parse({ data: { type: 'dsb2018', root }, out: shards, overwrite: true }),
    '.',
    { emit: silent },
  );
  report('shards, 2 threads', await measure({ type: 'tfrecord', root: shards }, 2, 2));
  report('shards, no threads', await measure({ type: 'tfrecord', root: shards }, 0, 1));
} finally {
  rmSync(shards, { recursive: true, force: true });
}
