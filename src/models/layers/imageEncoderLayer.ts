import { tf } from '../../tf/index.js';
import type { VitConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { imageEncoderSpecs, neck, vitTokens } from '../sam/imageEncoder.js';
import type { WeightSpecs } from '../specs.js';
import { divided, type NamedLayerArgs, NamedWeightsLayer } from './layerWeights.js';

export interface ImageEncoderLayerArgs extends NamedLayerArgs {
  readonly config: VitConfig;
}

/**
 * SAM's image encoder as a layer: `[B, H, W, 3]`, normalised, to `[tokens [B, h, w, D], embedding [B, h, w, C]]`. Weights
 * are named as below `image_encoder.` in the published checkpoint.
 */
export class ImageEncoderLayer extends NamedWeightsLayer<ImageEncoderLayerArgs> {
  static className = 'ImageEncoderLayer';

  protected override specs(): WeightSpecs {
    return imageEncoderSpecs(this.settings.config, true);
  }

  protected override compute([images]: readonly tf.Tensor[], weights: Weights): tf.Tensor[] {
    const { tokens } = vitTokens(images as tf.Tensor4D, weights, this.settings.config);
    return [tokens, neck(tokens, weights.scope('neck'))];
  }

  protected override outputShapes(shapes: readonly tf.Shape[]): tf.Shape[] {
    const [batch = null, height, width] = shapes[0] ?? [];
    const { patchSize, embedDim, outChans } = this.settings.config;
    const grid = [batch, divided(height, patchSize), divided(width, patchSize)];
    return [
      [...grid, embedDim],
      [...grid, outChans],
    ];
  }
}
tf.serialization.registerClass(ImageEncoderLayer);
