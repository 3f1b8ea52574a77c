import { UsageError } from '../core/errors.js';
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
 * @throws WeightsError when it is neither, UsageError when it cannot have images of that size
 */
export async function modelInfo(model: string, imgSize?: number): Promise<ModelInfo> {
  const named = PRESETS[model];
  const { config, about, assumed } =
    named === undefined ? await fromFile(model) : { config: named, about: 'preset', assumed: [] };
  const sized = imgSize === undefined ? config : ofSize(config, imgSize);
  return { model, about, imgSize: sized.vit.imgSize, assumed, ...summarise(sized) };
}

function ofSize(config: ModelConfig, imgSize: number): ModelConfig {
  const { patchSize } = config.vit;
  if (imgSize > 0 && imgSize % patchSize === 0) return { ...config, vit: { ...config.vit, imgSize } };
  const nearest = patchSize * Math.max(1, Math.round(imgSize / patchSize));
  throw new UsageError(
    `--image-size must be a multiple of the patch's ${patchSize} pixels, and is ${imgSize}`,
    {
      where: '--image-size',
      fix: `the nearest is ${nearest}`,
    },
  );
}

async function fromFile(path: string) {
  const file = await openWeights(path);
  try {
    return identify(file);
  } finally {
    await file.close();
  }
}
