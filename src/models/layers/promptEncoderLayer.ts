import { tf } from '../../tf/index.js';
import type { PromptEncoderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { densePositions, noMask, promptEncoderSpecs, sparsePrompts } from '../sam/promptEncoder.js';
import { asList, built, createLayerWeights, shapeList } from './layerWeights.js';

export interface PromptEncoderLayerArgs {
  readonly name?: string;
  readonly config: PromptEncoderConfig;
  /** Pixels and tokens of the encoded image. */
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchSize: number;
  readonly seed?: number;
}

/**
 * SAM's prompt encoder for boxes as a layer: `[n, 4]` in pixels to `[sparse [n, 2, C], positions [1, h, w, C],
 * dense [1, 1, 1, C]]`. The function `sparsePrompts` takes points too.
 */
export class PromptEncoderLayer extends tf.layers.Layer {
  static className = 'PromptEncoderLayer';
  readonly #args: PromptEncoderLayerArgs;
  #weights: Weights | undefined;

  constructor(args: PromptEncoderLayerArgs) {
    super(args.name === undefined ? {} : { name: args.name });
    this.#args = args;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#weights = createLayerWeights(
      promptEncoderSpecs(this.#args.config),
      this.#args.seed ?? 0,
      (name, shape, isTrainable) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros(), undefined, isTrainable),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const weights = built(this.#weights, this.name);
      const { imageHeight: height, imageWidth: width, patchSize } = this.#args;
      const boxes = asList(inputs)[0] as tf.Tensor2D;
      return [
        sparsePrompts({ boxes }, { height, width }, weights),
        densePositions(height / patchSize, width / patchSize, weights),
        noMask(weights),
      ];
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
    const [count = null] = shapeList(inputShape)[0] ?? [];
    const { config, imageHeight, imageWidth, patchSize } = this.#args;
    const grid = [imageHeight / patchSize, imageWidth / patchSize];
    return [
      [count, 2, config.embedDim],
      [1, ...grid, config.embedDim],
      [1, 1, 1, config.embedDim],
    ];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { config, imageHeight, imageWidth, patchSize, seed = 0 } = this.#args;
    return { ...super.getConfig(), config: { ...config }, imageHeight, imageWidth, patchSize, seed };
  }
}
tf.serialization.registerClass(PromptEncoderLayer);
