import { join } from 'node:path';
import { loadConfig } from '../src/config/load.js';
import type { NamedArray } from '../src/core/arrays.js';
import { silent } from '../src/core/events.js';
import { openDataset } from '../src/data/dataset.js';
import { calibrate, plainThresholds, type Sweep } from '../src/evaluate/calibrate.js';
import { readSafetensors } from '../src/io/safetensors.js';
import { modelConfig } from '../src/jobs/modelSection.js';
import { trainJobOptions } from '../src/jobs/train.js';
import { CellSam } from '../src/models/cellsam.js';
import { tf } from '../src/tf/index.js';
import { listCheckpoints } from '../src/train/checkpoint.js';
import { initDetailsOf } from '../src/train/options.js';
import { initPath } from '../src/train/startModel.js';
import { saveModelFile, trainedImagesOf } from '../src/weights/modelFile.js';
import { NO_IMAGES, withImages } from '../src/weights/trainedImages.js';

const SWEEP: Sweep = [
  ['box', [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]],
  ['sameCell', [0.1, 0.15, 0.2, 0.3]],
];

/**
 * Stores the averaged weights of a run's newest checkpoint in half precision, with the thresholds that are best on the
 * run's whole validation images: `node dist/scripts/ship.js <run> <target>`.
 */
async function ship(run: string, target: string): Promise<void> {
  const { config: job } = await loadConfig(trainJobOptions, join(run, 'config.yaml'));
  const config = await modelConfig(job, process.cwd());
  const steps = (await listCheckpoints(join(run, 'checkpoints'))).at(-1) ?? 0;
  const folder = join(run, 'checkpoints', `step-${String(steps).padStart(8, '0')}`);
  const read = async (part: string) =>
    (await readSafetensors(join(folder, `${part}.safetensors`))).tensors as Map<string, NamedArray>;
  const model = CellSam.fromArrays(config, await read('weights'));
  for (const [name, { shape, data }] of await read('average'))
    tf.tidy(() => model.parameters.assign(name, tf.tensor(data as Float32Array, [...shape])));

  const context = { emit: silent };
  const dataset = await openDataset(job.data, process.cwd());
  const samples = await dataset.readSplit('val', context);
  const images = samples.flatMap(({ image, instances }) =>
    instances.kind === 'labels' ? [{ image, truth: instances.labels }] : [],
  );
  const start = { ...plainThresholds(0.4), objectSide: job.data.objectSide };
  const found = await calibrate(model, images, SWEEP, {}, context, start);
  for (const { thresholds, f1 } of found.trials)
    console.log(`box ${thresholds.box}, same cell ${thresholds.sameCell ?? 0.3}: F1 ${f1.toFixed(3)}`);
  console.log(`mean F1 ${found.f1.toFixed(3)} on ${images.length} validation images`);
  const training = `${steps} steps of stage ${job.train.stage} on the training part of ${job.data.type}, seed ${job.train.seed}`;
  const init = initDetailsOf(job.init);
  const before =
    init === undefined ? NO_IMAGES : await trainedImagesOf(initPath(init.weights, process.cwd()));
  const used = [...samples, ...(await dataset.readSplit('train', context))];
  const trainedImages = withImages(
    before,
    used.map(({ source }) => source.contentHash),
  );
  const { thresholds } = found;
  const card = { config, thresholds, trainedImages, training, licence: 'Apache-2.0' };
  await saveModelFile(target, model.toArrays(), card, { half: true });
}

const [run, target] = process.argv.slice(2);
if (run === undefined || target === undefined) {
  console.error('usage: node dist/scripts/ship.js <run> <target>');
  process.exitCode = 2;
} else await ship(run, target);
