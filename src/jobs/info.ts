import type { ModelConfig } from '../models/options.js';
import { PRESETS } from '../models/presets.js';
import { type ModelSummary, summarise } from '../models/summary.js';
import { identify } from '../weights/identify.js';
import { openWeights } from '../weights/load.js';

export interface ModelInfo extends ModelSummary {
  readonly model: string;
  readonly about: string;
  readonly imgSize: number;
  /** Settings that a file does not tell, as they were taken. */
  readonly assumed: readonly string[];
}

/**
 * Layers, sizes and costs of a preset or of the model in a weight file.
 *
 * @param imgSize side of the square input in pixels, in place of the model's own
 * @throws WeightsError when it is neither
 */
export async function modelInfo(model: string, imgSize?: number): Promise<ModelInfo> {
  const named = PRESETS[model];
  const { config, about, assumed } =
    named === undefined ? await fromFile(model) : { config: named, about: 'preset', assumed: [] };
  const sized: ModelConfig = imgSize === undefined ? config : { ...config, vit: { ...config.vit, imgSize } };
  return { model, about, imgSize: sized.vit.imgSize, assumed, ...summarise(sized) };
}

async function fromFile(path: string) {
  const file = await openWeights(path);
  try {
    return identify(file);
  } finally {
    await file.close();
  }
}
