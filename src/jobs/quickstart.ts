import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../config/load.js';
import type { JobContext } from '../core/events.js';
import { exists } from '../core/files.js';
import { Random } from '../core/random.js';
import { openDataset } from '../data/dataset.js';
import { prepareFields } from '../data/prepared.js';
import { plainThresholds } from '../evaluate/calibrate.js';
import { scoreFields } from '../evaluate/scoreFields.js';
import { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import { isFinished } from '../train/runFolder.js';
import { evaluate, evaluateJobOptions } from './evaluate.js';
import { type FirstMinutes, firstMinutes } from './firstMinutes.js';
import { modelConfig } from './modelSection.js';
import { segmentFiles, segmentJob } from './segment.js';
import { simulateFields } from './simulate.js';
import { trainJob, trainJobOptions } from './train.js';

const CONFIG = fileURLToPath(new URL('../../../configs/quickstart.yaml', import.meta.url));

export interface QuickstartResult {
  readonly folder: string;
  readonly before: number;
  readonly after: number;
  readonly interval: readonly [number, number];
  readonly report: string;
  readonly masks: string;
  readonly first: FirstMinutes;
}

/**
 * The main job: use the shipped model and adapt it; then train a small model on synthetic fields from nothing, score it on
 * fields it has not seen, and segment some of them.
 */
export async function quickstart(context: JobContext): Promise<QuickstartResult> {
  const { config, folder } = await loadConfig(trainJobOptions, CONFIG);
  const runFolder = config.run.folder;
  const first = await firstMinutes(`${runFolder}-first`, context);
  const isDone = await isFinished(runFolder);
  if (isDone)
    context.emit({
      kind: 'note',
      message: `${runFolder} was trained before; its model is used (remove the folder to train anew)`,
    });
  else await trainJob(config, folder, await exists(join(runFolder, 'config.yaml')), context);

  context.emit({ kind: 'stage', title: 'Scoring the untrained and the trained model on held-out fields' });
  const dataset = await openDataset(config.data, folder);
  const fields = prepareFields(await dataset.readSplit('heldout', context));
  const untrained = CellSam.create(
    await modelConfig(config, folder),
    new Random(config.train.seed).split('init'),
  );
  const scores = await scoreFields(
    new CellSegmenter(untrained, { minSize: 20 }, plainThresholds(0.25)),
    fields,
    context,
  );
  untrained.dispose();
  const evaluated = await evaluate(
    evaluateJobOptions.parse({ model: runFolder, segment: { minSize: 20 } }),
    context,
  );
  const f1 = evaluated.datasets[0]?.metrics['f1_50'] ?? { mean: 0, low: 0, high: 0 };

  const demo = join(runFolder, 'demo');
  await rm(demo, { recursive: true, force: true });
  await simulateFields(
    { out: join(demo, 'fields'), modality: 'fluorescence', count: 3, side: 256, seed: 1000 },
    context,
  );
  const masks = join(demo, 'masks');
  const inputs = [0, 1, 2].map((i) => join(demo, 'fields', `fluorescence-000${i}`, 'images'));
  const job = segmentJob.parse({
    model: join(runFolder, 'model.safetensors'),
    inputs,
    out: masks,
    save: ['tiff', 'overlay'],
    overwrite: true,
  });
  await segmentFiles(job, context);
  const before = scores.reduce((sum, { f1: own }) => sum + own, 0) / Math.max(1, scores.length);
  return {
    folder: runFolder,
    before,
    after: f1.mean,
    interval: [f1.low, f1.high],
    report: evaluated.report,
    masks,
    first,
  };
}
