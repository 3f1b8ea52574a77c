import { MATCHING_COSTS } from '../losses/matching.js';
import { QUERY_LOSS } from '../losses/queries.js';
import type { TrainOptions } from '../options.js';
import type { StageOptions } from './stage.js';

/** What the losses need, from the configuration. @param trained names of the weights that are trained */
export function lossOptions(options: TrainOptions, trained: readonly string[]): StageOptions {
  const { focalAlpha, focalGamma, ...weights } = options.maskLoss;
  const { ce, bbox, giou } = options.detectorLoss;
  return {
    stage: options.stage,
    promptsPerImage: options.promptsPerImage,
    boxJitter: options.boxJitter,
    trained,
    maskLoss: { weights, focalAlpha, focalGamma },
    queryLoss: { ...QUERY_LOSS, ...MATCHING_COSTS, weightCe: ce, weightBbox: bbox, weightGiou: giou },
  };
}
