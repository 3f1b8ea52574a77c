import { join } from 'node:path';
import { z } from 'zod';
import { parseArguments } from '../config/arguments.js';
import type { JobContext } from '../core/events.js';
import { readPixelImage } from '../data/readImage.js';
import { simulate } from '../data/simulate/simulate.js';
import { type Comparison, type ExportResult, exportModel, writeTable } from '../export/exportModel.js';
import { targetNames } from '../export/targets/targets.js';
import type { PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { CellSegmenter } from '../segment/cellSegmenter.js';
import { TensorFlowEngine } from '../segment/engines/tensorflow.js';
import { loadModelFile } from '../weights/modelFile.js';
import { type Agreement, agreementOf } from './agreement.js';

export type { Agreement, Comparison };
export { targetNames };

/** What `cellsam export` is told. */
export const exportJobOptions = z.strictObject({
  model: z.string().describe('model file, ours or a published checkpoint'),
  to: z.array(z.enum(targetNames)).min(1).describe('forms to write'),
  out: z.string().describe('folder; each form has one of its own below it'),
  overwrite: z.boolean().default(false).describe('write over what these folders hold; else that is an error'),
  verify: z.boolean().default(true).describe('compare with the live model in the runtime of each form'),
  images: z.array(z.string()).default([]).describe('images to compare on; simulated ones when none'),
  smaller: z
    .array(z.enum(['float16', 'int8']))
    .default([])
    .describe('further ONNX files'),
  licence: z.string().optional().describe('SPDX licence of the weights, where the model does not tell it'),
  masks: z
    .enum(['single', 'all'])
    .default('single')
    .describe("the decoder's masks: CellSAM's one or SAM's four"),
  opset: z.number().int().min(17).max(20).default(17).describe('ONNX operator set'),
});

export type ExportJob = z.infer<typeof exportJobOptions>;

/** What was written, how much it differs, and, with smaller files, whether they find the same cells. */
export interface ExportSummary extends ExportResult {
  readonly agreement: readonly Agreement[];
}

/** Writes a model in other forms; see `exportModel`. */
export async function exportJob(job: ExportJob, context: JobContext): Promise<ExportSummary> {
  const { model, card } = await loadModelFile(job.model);
  try {
    const images = job.verify ? await imagesOf(job, model) : [];
    const { to, out, smaller, masks, opset, overwrite } = job;
    const { thresholds, training, scaling } = card;
    const licence = job.licence ?? card.licence;
    const made = { thresholds, training, licence, scaling };
    const options = { to, out, smaller, masks, opset, overwrite, images, ...made };
    const result = await exportModel(model, options, context);
    if (smaller.length === 0 || images.length === 0 || !to.includes('onnx'))
      return { ...result, agreement: [] };
    context.emit({ kind: 'stage', title: 'Segmenting with the smaller files' });
    const live = new CellSegmenter(model, {}, thresholds, new TensorFlowEngine(model, scaling));
    const wanted = ['float32', ...smaller] as const;
    const agreement = await agreementOf(live, join(out, 'onnx'), images, wanted, context);
    await writeTable(out, { ...result, agreement });
    return { ...result, agreement };
  } finally {
    model.dispose();
  }
}

async function imagesOf({ images }: ExportJob, model: CellSam): Promise<PixelImage[]> {
  if (images.length > 0) return Promise.all(images.map((path) => readPixelImage(path)));
  const side = Math.min(256, model.config.vit.imgSize);
  return ['fluorescence', 'phase'].map((modality) => simulate({ modality, side, seed: 'export' }).image);
}

/** @throws UsageError listing every argument that is not understood */
export function parseExportJob(given: Readonly<Record<string, unknown>>): ExportJob {
  return parseArguments(exportJobOptions, given, 'export');
}
