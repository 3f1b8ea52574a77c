import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError, UsageError } from '../core/errors.js';
import type { JobContext } from '../core/events.js';
import { counted } from '../core/plural.js';
import { estimateMemory } from '../models/memory.js';
import type { CellSegmenter } from '../segment/cellSegmenter.js';
import { loadCellSam, openOnnx } from '../segment/loadCellSam.js';
import { modelFileAt } from '../weights/modelPath.js';
import { exportJob, parseExportJob } from './export.js';
import type { SegmentJob } from './segment.js';

/** The live model, or an exported one on ONNX Runtime; a model file is exported for that to a folder that goes at once. */
export async function openModel(config: SegmentJob, context: JobContext): Promise<CellSegmenter> {
  const { engine, precision } = config;
  if (engine === 'tensorflow' && precision !== 'float32')
    throw new UsageError('TensorFlow computes in float32; other precisions are for ONNX Runtime', {
      where: '--precision',
      fix: `add --engine onnx`,
    });
  if (engine === 'tensorflow')
    return loadCellSam(config.model, {
      ...config.segment,
      onUnused: (names) => context.emit({ kind: 'note', message: unusedText(names) }),
    });
  if (await isExported(config.model)) return openOnnx(config.model, { ...config.segment, precision });
  const folder = await mkdtemp(join(tmpdir(), 'cellsam-onnx-'));
  try {
    const smaller = precision === 'float32' ? [] : [precision];
    const how = { to: ['onnx'], out: folder, smaller, verify: false };
    await exportJob(parseExportJob({ model: config.model, ...how }), context);
    return await openOnnx(join(folder, 'onnx'), { ...config.segment, precision });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Whether a path is a folder that `export` wrote, and not one that holds a model file. */
export const isExported = async (path: string): Promise<boolean> =>
  (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false) &&
  (await modelFileAt(path).catch(() => undefined)) === undefined;

function unusedText(names: readonly string[]): string {
  return `${counted(names.length, 'weight')} of the file ${names.length === 1 ? 'is' : 'are'} not used: ${names.slice(0, 2).join(', ')}${names.length > 2 ? ', ...' : ''}`;
}

/** What the program and its model take. @throws SetupError where that is not known */
export function bytesOf(cells: CellSegmenter, engine: SegmentJob['engine']): number {
  if (engine === 'onnx')
    throw new SetupError('what a model takes on ONNX Runtime is not known', {
      where: '--max-memory',
      fix: 'leave it out, or use --engine tensorflow',
    });
  const prompts = cells.segmenter.options.promptsPerCall;
  return estimateMemory(cells.model.config, { what: 'forward', batchSize: 1, prompts }).total;
}
