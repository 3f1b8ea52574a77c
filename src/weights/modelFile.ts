import { WeightsError } from '../core/errors.js';
import { readSafetensors, writeSafetensors } from '../io/safetensors.js';
import { CellSam } from '../models/cellsam.js';
import { type ModelConfig, modelOptions } from '../models/options.js';
import type { NamedArray } from './arrays.js';

/** What a model file tells about itself besides its weights. */
export interface ModelCard {
  readonly config: ModelConfig;
  /** Box score above which a proposal is a cell, found on validation images. */
  readonly boxThreshold?: number;
  /** How it was made, in words. */
  readonly training?: string;
  readonly licence?: string;
}

const FORMAT = 'cellsam-1';

/** Writes weights and card as one `.safetensors` file; `half` stores float16. */
export function saveModelFile(
  path: string,
  weights: ReadonlyMap<string, NamedArray>,
  card: ModelCard,
  half = false,
): Promise<void> {
  return writeSafetensors(path, weights, { metadata: { format: FORMAT, card: JSON.stringify(card) }, half });
}

/** Reads a model of ours. @throws WeightsError when the file has no card, or names or shapes do not fit it */
export async function loadModelFile(
  path: string,
): Promise<{ readonly model: CellSam; readonly card: ModelCard }> {
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata['format'] !== FORMAT || metadata['card'] === undefined) {
    throw new WeightsError(`${path} holds no model card`, {
      where: path,
      fix: 'name a model.safetensors that `cellsam train` wrote',
    });
  }
  const card = JSON.parse(metadata['card']) as ModelCard;
  const config = modelOptions.parse(card.config);
  return { model: CellSam.fromArrays(config, tensors), card: { ...card, config } };
}
