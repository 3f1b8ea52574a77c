import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfig } from '../config/load.js';
import { DataError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { Random } from '../core/random.js';
import { prepareFields } from '../data/batches.js';
import { openDataset, SPLITS } from '../data/dataset.js';
import { f1, meanWithInterval } from '../evaluate/f1.js';
import { reportPage } from '../evaluate/report.js';
import { type FieldScore, scoreFields } from '../evaluate/scoreFields.js';
import { loadCellSam } from '../segment/loadCellSam.js';
import { trainJobOptions } from './train.js';

export const evaluateJobOptions = z.strictObject({
  run: z.string().describe('folder of a training run'),
  split: z.enum(SPLITS).default('heldout').describe('which part of its dataset'),
  out: z.string().optional().describe('folder for the report; <run>/report when absent'),
});

export interface EvaluateResult {
  readonly split: string;
  readonly images: number;
  /** Mean over images of F1 at IoU 0.5, and its 95 % bootstrap interval. */
  readonly mean_f1: number;
  readonly interval: readonly [low: number, high: number];
  /** From summed counts. */
  readonly pooled_f1: number;
  readonly report: string;
  readonly perImage: readonly {
    readonly id: string;
    readonly f1: number;
    readonly tp: number;
    readonly fp: number;
    readonly fn: number;
  }[];
}

/** Segments a part of a run's dataset with its best model and writes a report. @throws DataError when there is no model */
export async function evaluateRun(
  options: z.infer<typeof evaluateJobOptions>,
  context: JobContext,
): Promise<EvaluateResult> {
  const modelPath = join(options.run, 'model.safetensors');
  if (!(await exists(modelPath))) {
    throw new DataError(`${options.run} holds no model.safetensors`, {
      where: options.run,
      fix: 'name the folder of a run that has evaluated at least once',
    });
  }
  const { config } = await loadConfig(trainJobOptions, join(options.run, 'config.yaml'));
  const dataset = await openDataset(config.data, process.cwd());
  const fields = prepareFields(await dataset.readSplit(options.split, context));
  const segmenter = await loadCellSam(modelPath, { minSize: 20 });
  const scores = await scoreFields(segmenter, fields, context);
  segmenter.dispose();
  const out = options.out ?? join(options.run, 'report');
  const result = summarise(scores, options.split, join(out, 'report.html'));
  const madeFrom = {
    model: modelPath,
    modelHash: await sha256OfFile(modelPath),
    config: await readFile(join(options.run, 'config.yaml'), 'utf8'),
  };
  await writeFileAtomic(
    join(out, 'summary.json'),
    JSON.stringify({ ...result, madeFrom, madeAt: new Date().toISOString() }, null, 2),
  );
  await writeFileAtomic(
    join(out, 'per_image.csv'),
    ['id,f1,tp,fp,fn', ...scores.map((s) => `${s.id},${s.f1},${s.tp},${s.fp},${s.fn}`)].join('\n'),
  );
  await writeFileAtomic(join(out, 'report.html'), await reportPage(scores, result, madeFrom));
  return result;
}

function summarise(scores: readonly FieldScore[], split: string, report: string): EvaluateResult {
  const random = new Random('bootstrap');
  const { mean, low, high } = meanWithInterval(
    scores.map((s) => s.f1),
    () => random.uniform(),
  );
  const sum = (key: 'tp' | 'fp' | 'fn') => scores.reduce((total, s) => total + s[key], 0);
  const pooled = f1({ tp: sum('tp'), fp: sum('fp'), fn: sum('fn') });
  const perImage = scores.map((s) => ({ id: s.id, f1: s.f1, tp: s.tp, fp: s.fp, fn: s.fn }));
  return {
    split,
    images: scores.length,
    mean_f1: mean,
    interval: [low, high],
    pooled_f1: pooled,
    report,
    perImage,
  };
}
