import { join } from 'node:path';
import { loadConfig } from '../src/config/load.js';
import type { NamedArray } from '../src/core/arrays.js';
import { silent } from '../src/core/events.js';
import { prepareFields } from '../src/data/batches.js';
import { openDataset } from '../src/data/dataset.js';
import { plainThresholds, scoreFields } from '../src/evaluate/scoreFields.js';
import { readSafetensors } from '../src/io/safetensors.js';
import { modelConfig } from '../src/jobs/modelSection.js';
import { trainJobOptions } from '../src/jobs/train.js';
import { CellSam } from '../src/models/cellsam.js';
import { CellSegmenter } from '../src/segment/loadCellSam.js';
import { tf } from '../src/tf/index.js';
import { listCheckpoints } from '../src/train/checkpoint.js';
import { saveModelFile } from '../src/weights/modelFile.js';

/**
 * Stores the averaged weights of a run's newest checkpoint in half precision, with the box threshold that is best on
 * the run's whole validation images: `node dist/scripts/ship.js <run> <target> [box thresholds, e.g. 0.3,0.4]`.
 */
async function ship(run: string, target: string, boxes: readonly number[]): Promise<void> {
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
  const fields = prepareFields(await dataset.readSplit('val', context));
  const objectSide = job.data.objectSide;
  let best = { f1: -1, thresholds: plainThresholds(0.4) };
  for (const box of boxes) {
    const thresholds = { ...plainThresholds(box), ...(objectSide === undefined ? {} : { objectSide }) };
    const scores = await scoreFields(new CellSegmenter(model, { minSize: 20 }, thresholds), fields, context);
    const f1 = scores.reduce((sum, s) => sum + s.f1, 0) / scores.length;
    console.log(`box threshold ${box}: mean F1 ${f1.toFixed(3)} on ${fields.length} validation images`);
    if (f1 > best.f1) best = { f1, thresholds };
  }
  const training = `${steps} steps of stage ${job.train.stage} on the training part of ${job.data.type}, seed ${job.train.seed}`;
  const card = { config, thresholds: best.thresholds, training, licence: 'Apache-2.0' };
  await saveModelFile(target, model.toArrays(), card, true);
}

const [run, target, boxes = '0.25,0.3,0.35,0.4,0.45'] = process.argv.slice(2);
if (run === undefined || target === undefined) {
  console.error('usage: node dist/scripts/ship.js <run> <target> [box thresholds]');
  process.exitCode = 2;
} else await ship(run, target, boxes.split(',').map(Number));
