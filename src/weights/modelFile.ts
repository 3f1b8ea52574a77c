import type { NamedArrays } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { readSafetensors } from '../io/safetensors.js';
import { writeSafetensors } from '../io/safetensorsWrite.js';
import { CellSam } from '../models/cellsam.js';
import { type ModelConfig, modelOptions } from '../models/options.js';

/** The thresholds that `segment` understands; see src/segment/thresholds.ts. */
export type StoredThresholds = Readonly<Record<'box' | 'boxShare' | 'meanShare' | 'iou' | 'mask', number>>;

/** What a model file tells about itself besides its weights. */
export interface ModelCard {
  readonly config: ModelConfig;
  /** Found on validation images; `segment` uses them. */
  readonly thresholds: StoredThresholds;
  /** How it was made, in words. */
  readonly training: string;
  readonly licence: string;
}

/** Writes weights and card as one `.safetensors` file; `half` stores float16. */
export function saveModelFile(
  path: string,
  weights: NamedArrays,
  card: ModelCard,
  half = false,
): Promise<void> {
  const { config, thresholds, training, licence } = card;
  const metadata = {
    format: 'cellsam-1',
    config: JSON.stringify(config),
    thresholds: JSON.stringify(thresholds),
    training,
    licence,
  };
  return writeSafetensors(path, weights, { metadata, half });
}

/** Reads a model of ours. @throws WeightsError when the file does not describe its model, or names or shapes do not fit */
export async function loadModelFile(
  path: string,
): Promise<{ readonly model: CellSam; readonly card: ModelCard }> {
  const { tensors, metadata } = await readSafetensors(path);
  const { config, thresholds, training = '', licence = '' } = metadata;
  if (config === undefined || thresholds === undefined) {
    throw new WeightsError(`${path} does not describe its model`, {
      where: path,
      fix: 'name a model.safetensors that `cellsam train` wrote',
    });
  }
  const parsed = modelOptions.safeParse(JSON.parse(config));
  if (!parsed.success)
    throw new WeightsError(`${path}: its model configuration is not understood`, {
      where: path,
      cause: parsed.error,
    });
  const card = {
    config: parsed.data,
    thresholds: JSON.parse(thresholds) as StoredThresholds,
    training,
    licence,
  };
  return { model: CellSam.fromArrays(parsed.data, tensors), card };
}
