import { tf } from '../../tf/index.js';
import { cellfinder } from '../cellfinder/cellfinder.js';
import { cellfinderSpecs } from '../cellfinder/specs.js';
import type { CellFinderConfig } from '../options.js';
import type { Weights } from '../parameters.js';
import type { WeightSpecs } from '../specs.js';
import { type NamedLayerArgs, NamedWeightsLayer } from './layerWeights.js';

export interface CellFinderLayerArgs extends NamedLayerArgs {
  readonly config: CellFinderConfig;
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
export class CellFinderLayer extends NamedWeightsLayer<CellFinderLayerArgs> {
  static className = 'CellFinderLayer';

  protected override specs(shapes: readonly tf.Shape[]): WeightSpecs {
    const tokenWidth = shapes[0]?.[3];
    if (typeof tokenWidth !== 'number') throw new RangeError('CellFinderLayer needs tokens of a known width');
    return cellfinderSpecs(this.settings.config, tokenWidth);
  }

  protected override compute(inputs: readonly tf.Tensor[], weights: Weights): tf.Tensor[] {
    const [tokens, padding] = inputs as [tf.Tensor4D, tf.Tensor3D | undefined];
    const [batch, height, width] = tokens.shape;
    const output = cellfinder(
      tokens,
      padding ?? tf.zeros([batch, height, width], 'bool'),
      weights,
      this.settings.config,
    );
    return [output.logits.transpose([1, 0, 2, 3]), output.boxes.transpose([1, 0, 2, 3])];
  }

  protected override outputShapes(shapes: readonly tf.Shape[]): tf.Shape[] {
    const [batch = null] = shapes[0] ?? [];
    const { config } = this.settings;
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
    const { attentionType, ...config } = this.settings.config;
    return { ...super.getConfig(), config, isRowColumn: attentionType === 'RCDA' };
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
