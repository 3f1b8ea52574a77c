import { tf } from '../../tf/index.js';
import type { VitConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { imageEncoderSpecs, neck, vitTokens } from '../sam/imageEncoder.js';
import { asList, built, createLayerWeights, divided, shapeList } from './layerWeights.js';

export interface ImageEncoderLayerArgs {
  readonly name?: string;
  readonly config: VitConfig;
  /** Source of the initial values. */
  readonly seed?: number;
}

/**
 * SAM's image encoder as a layer: `[B, H, W, 3]`, normalised, to `[tokens [B, h, w, D], embedding [B, h, w, C]]`. Weights
 * are named as below `image_encoder.` in the published checkpoint.
 */
export class ImageEncoderLayer extends tf.layers.Layer {
  static className = 'ImageEncoderLayer';
  readonly #args: ImageEncoderLayerArgs;
  #weights: Weights | undefined;

  constructor(args: ImageEncoderLayerArgs) {
    super(args.name === undefined ? {} : { name: args.name });
    this.#args = args;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#weights = createLayerWeights(
      imageEncoderSpecs(this.#args.config, true),
      this.#args.seed ?? 0,
      (name, shape, isTrainable) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros(), undefined, isTrainable),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const weights = built(this.#weights, this.name);
      const { tokens } = vitTokens(asList(inputs)[0] as tf.Tensor4D, weights, this.#args.config);
      return [tokens, neck(tokens, weights.scope('neck'))];
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
    const [batch = null, height, width] = shapeList(inputShape)[0] ?? [];
    const { patchSize, embedDim, outChans } = this.#args.config;
    const grid = [batch, divided(height, patchSize), divided(width, patchSize)];
    return [
      [...grid, embedDim],
      [...grid, outChans],
    ];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), config: { ...this.#args.config }, seed: this.#args.seed ?? 0 };
  }
}
tf.serialization.registerClass(ImageEncoderLayer);
