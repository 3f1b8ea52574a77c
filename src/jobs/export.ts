import { z } from 'zod';
import { ConfigError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { readPixelImage } from '../data/readImage.js';
import { simulate } from '../data/simulate/simulate.js';
import { type Comparison, type ExportResult, exportModel } from '../export/exportModel.js';
import { targetNames } from '../export/targets/targets.js';
import type { PixelImage } from '../image/types.js';
import type { CellSam } from '../models/cellsam.js';
import { loadModelFile } from '../weights/modelFile.js';

export type { Comparison, ExportResult };
export { targetNames };

/** What `cellsam export` is told. */
export const exportJobOptions = z.strictObject({
  model: z.string().describe('model file, ours or a published checkpoint'),
  to: z.array(z.enum(targetNames)).min(1).describe('forms to write'),
  out: z.string().describe('folder; each form has one of its own below it'),
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

/** Writes a model in other forms; see `exportModel`. */
export async function exportJob(job: ExportJob, context: JobContext): Promise<ExportResult> {
  const { model, card } = await loadModelFile(job.model);
  try {
    const images = job.verify ? await imagesOf(job, model) : [];
    const { to, out, smaller, masks, opset } = job;
    const { thresholds, training } = card;
    const licence = job.licence ?? card.licence;
    const made = { thresholds, training, licence };
    return await exportModel(model, { to, out, smaller, masks, opset, images, ...made }, context);
  } finally {
    model.dispose();
  }
}

async function imagesOf({ images }: ExportJob, model: CellSam): Promise<PixelImage[]> {
  if (images.length > 0) return Promise.all(images.map((path) => readPixelImage(path)));
  const side = Math.min(256, model.config.vit.imgSize);
  return ['fluorescence', 'phase'].map((modality) => simulate({ modality, side, seed: 'export' }).image);
}

/** @throws ConfigError listing every argument that is not understood */
export function parseExportJob(given: unknown): ExportJob {
  const parsed = exportJobOptions.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new ConfigError('arguments of `cellsam export` are not right', {
    problems: parsed.error.issues.map(({ path, message }) => ({
      where: `--${path.length === 0 ? '' : String(path[0])}`,
      message,
    })),
  });
}
