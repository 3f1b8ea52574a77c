import { tf } from '../../tf/index.js';
import type { MaskDecoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { type MaskOutput, maskDecoder, maskDecoderSpecs } from '../sam/maskDecoder.js';
import { asList, built, createLayerWeights, shapeList } from './layerWeights.js';

export interface MaskDecoderLayerArgs {
  readonly name?: string;
  readonly config: MaskDecoderConfig;
  readonly output?: MaskOutput;
  readonly seed?: number;
}

/**
 * SAM's mask decoder as a layer. Inputs: image embedding `[n or 1, h, w, C]`, then the prompt encoder's three outputs
 * (sparse tokens, positions, dense). Outputs: `[masks [n, 4h, 4w, M] logits, iou [n, M]]`.
 */
export class MaskDecoderLayer extends tf.layers.Layer {
  static className = 'MaskDecoderLayer';
  readonly #args: MaskDecoderLayerArgs;
  #weights: Weights | undefined;

  constructor(args: MaskDecoderLayerArgs) {
    super(args.name === undefined ? {} : { name: args.name });
    this.#args = args;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#weights = createLayerWeights(
      maskDecoderSpecs(this.#args.config),
      this.#args.seed ?? 0,
      (name, shape, isTrainable) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros(), undefined, isTrainable),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [embedding, sparse, positions, dense] = asList(inputs);
      const { masks, iou } = maskDecoder(
        embedding as tf.Tensor4D,
        positions as tf.Tensor4D,
        sparse as tf.Tensor3D,
        dense as tf.Tensor4D,
        built(this.#weights, this.name),
        this.#args.config,
        this.#args.output,
      );
      return [masks, iou];
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
    const [embedding = [], sparse = []] = shapeList(inputShape);
    const count = sparse[0] ?? null;
    const masks = this.#args.output === 'multi' ? this.#args.config.numMultimaskOutputs : 1;
    const four = (size: number | null | undefined) => (size == null ? null : 4 * size);
    return [
      [count, four(embedding[1]), four(embedding[2]), masks],
      [count, masks],
    ];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { config, output = 'single', seed = 0 } = this.#args;
    return { ...super.getConfig(), config: { ...config }, output, seed };
  }
}
tf.serialization.registerClass(MaskDecoderLayer);
