import { tf } from '../../tf/index.js';
import { cellfinder } from '../cellfinder/cellfinder.js';
import { cellfinderSpecs } from '../cellfinder/specs.js';
import type { CellFinderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import { asList, built, createLayerWeights, shapeList } from './layerWeights.js';

export interface CellFinderLayerArgs {
  readonly name?: string;
  readonly config: CellFinderConfig;
  readonly seed?: number;
}

/** The library rewrites letters in saved strings (`RCDA` would come back as `rcda`), so this option is saved as a flag. */
interface SavedArgs {
  readonly name: string;
  readonly config: Omit<CellFinderConfig, 'attentionType'>;
  readonly isRowColumn: boolean;
  readonly seed: number;
}

/**
 * CellFinder with learned queries as a layer. Inputs: tokens `[B, h, w, D]` and, if wanted, the padding `[B, h, w]`, true
 * where padded. Outputs, batch first: `[logits [B, L, Q, K], boxes [B, L, Q, 4]]` of every decoder layer.
 */
export class CellFinderLayer extends tf.layers.Layer {
  static className = 'CellFinderLayer';
  readonly #args: CellFinderLayerArgs;
  #weights: Weights | undefined;

  constructor(args: CellFinderLayerArgs) {
    super(args.name === undefined ? {} : { name: args.name });
    this.#args = args;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const tokenWidth = shapeList(inputShape)[0]?.[3];
    if (typeof tokenWidth !== 'number') throw new RangeError('CellFinderLayer needs tokens of a known width');
    this.#weights = createLayerWeights(
      cellfinderSpecs(this.#args.config, tokenWidth),
      this.#args.seed ?? 0,
      (name, shape, isTrainable) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros(), undefined, isTrainable),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
    return tf.tidy(() => {
      const [tokens, padding] = asList(inputs) as [tf.Tensor4D, tf.Tensor3D | undefined];
      const [batch, height, width] = tokens.shape;
      const output = cellfinder(
        tokens,
        padding ?? tf.zeros([batch, height, width], 'bool'),
        built(this.#weights, this.name),
        this.#args.config,
      );
      return [output.logits.transpose([1, 0, 2, 3]), output.boxes.transpose([1, 0, 2, 3])];
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
    const [batch = null] = shapeList(inputShape)[0] ?? [];
    const { config } = this.#args;
    const points =
      config.spatialPrior === 'grid'
        ? Math.round(Math.sqrt(config.numQueryPosition)) ** 2
        : config.numQueryPosition;
    const shared = [batch, config.decLayers, points * config.numQueryPattern];
    return [
      [...shared, config.numClasses],
      [...shared, 4],
    ];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { attentionType, ...config } = this.#args.config;
    return {
      ...super.getConfig(),
      config,
      isRowColumn: attentionType === 'RCDA',
      seed: this.#args.seed ?? 0,
    };
  }

  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    saved: tf.serialization.ConfigDict,
  ): T {
    const { config, isRowColumn, ...rest } = saved as unknown as SavedArgs;
    const attentionType = isRowColumn ? 'RCDA' : 'nn.MultiheadAttention';
    return new cls({ ...rest, config: { ...config, attentionType } });
  }
}
tf.serialization.registerClass(CellFinderLayer);
