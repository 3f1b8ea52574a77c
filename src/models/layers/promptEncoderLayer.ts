import { tf } from '../../tf/index.js';
import type { PromptEncoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { densePositions, noMask, promptEncoderSpecs, sparsePrompts } from '../sam/promptEncoder.js';
import type { WeightSpecs } from '../specs.js';
import { type NamedLayerArgs, NamedWeightsLayer } from './layerWeights.js';

export interface PromptEncoderLayerArgs extends NamedLayerArgs {
  readonly config: PromptEncoderConfig;
  /** Pixels and tokens of the encoded image. */
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchSize: number;
}

/**
 * SAM's prompt encoder for boxes as a layer: `[n, 4]` in pixels to `[sparse [n, 2, C], positions [1, h, w, C],
 * dense [1, 1, 1, C]]`. The function `sparsePrompts` takes points too.
 */
export class PromptEncoderLayer extends NamedWeightsLayer<PromptEncoderLayerArgs> {
  static className = 'PromptEncoderLayer';

  protected override specs(): WeightSpecs {
    return promptEncoderSpecs(this.settings.config);
  }

  protected override compute([boxes]: readonly tf.Tensor[], weights: Weights): tf.Tensor[] {
    const { imageHeight: height, imageWidth: width, patchSize } = this.settings;
    return [
      sparsePrompts({ boxes: boxes as tf.Tensor2D }, { height, width }, weights),
      densePositions(height / patchSize, width / patchSize, weights),
      noMask(weights),
    ];
  }

  protected override outputShapes(shapes: readonly tf.Shape[]): tf.Shape[] {
    const [count = null] = shapes[0] ?? [];
    const { config, imageHeight, imageWidth, patchSize } = this.settings;
    const grid = [imageHeight / patchSize, imageWidth / patchSize];
    return [
      [count, 2, config.embedDim],
      [1, ...grid, config.embedDim],
      [1, 1, 1, config.embedDim],
    ];
  }
}
tf.serialization.registerClass(PromptEncoderLayer);
