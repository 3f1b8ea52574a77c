import { tf } from '../../tf/index.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { type MaskOutput, maskDecoder, maskDecoderSpecs } from '../sam/maskDecoder.js';
import type { WeightSpecs } from '../specs.js';
import { type NamedLayerArgs, NamedWeightsLayer } from './layerWeights.js';

export interface MaskDecoderLayerArgs extends NamedLayerArgs {
  readonly config: MaskDecoderConfig;
  readonly output?: MaskOutput;
}

/**
 * SAM's mask decoder as a layer. Inputs: image embedding `[n or 1, h, w, C]`, then the prompt encoder's three outputs
 * (sparse tokens, positions, dense). Outputs: `[masks [n, 4h, 4w, M] logits, iou [n, M]]`.
 */
export class MaskDecoderLayer extends NamedWeightsLayer<MaskDecoderLayerArgs> {
  static className = 'MaskDecoderLayer';

  protected override specs(): WeightSpecs {
    return maskDecoderSpecs(this.settings.config);
  }

  protected override compute(inputs: readonly tf.Tensor[], weights: Weights): tf.Tensor[] {
    const [embedding, sparse, positions, dense] = inputs;
    const { masks, iou } = maskDecoder(
      embedding as tf.Tensor4D,
      positions as tf.Tensor4D,
      sparse as tf.Tensor3D,
      dense as tf.Tensor4D,
      weights,
      this.settings.config,
      this.settings.output,
    );
    return [masks, iou];
  }

  protected override outputShapes(shapes: readonly tf.Shape[]): tf.Shape[] {
    const [embedding = [], sparse = []] = shapes;
    const count = sparse[0] ?? null;
    const masks = this.settings.output === 'multi' ? this.settings.config.numMultimaskOutputs : 1;
    const four = (size: number | null | undefined) => (size == null ? null : 4 * size);
    return [
      [count, four(embedding[1]), four(embedding[2]), masks],
      [count, masks],
    ];
  }
}
tf.serialization.registerClass(MaskDecoderLayer);
