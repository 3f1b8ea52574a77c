import { WeightsError } from '../../core/errors.js';
import { Random } from '../../core/random.js';
import { tf } from '../../tf/index.js';
import { tensorFlowShape, toTensorFlow } from '../names.js';
import { type Weights, weightsOf } from '../parameters.js';
import { initialValues, type WeightSpecs } from '../specs.js';

/** Makes one variable of a layer; `addWeight` of the layer itself, which is protected. */
type AddWeight = (name: string, shape: number[], isTrainable: boolean) => tf.LayerVariable;

/** What every layer of ours is made with. */
export interface NamedLayerArgs {
  readonly name?: string;
  /** Source of the initial values. */
  readonly seed?: number;
}

/**
 * What the four layers share: variables under the published names, made when the input's shape is known, and the
 * library's protocol of single values and lists. A layer says its names, its function and its output's shapes.
 */
export abstract class NamedWeightsLayer<Args extends NamedLayerArgs> extends tf.layers.Layer {
  protected readonly settings: Args;
  #weights: Weights | undefined;

  constructor(args: Args) {
    super(args.name === undefined ? {} : { name: args.name });
    this.settings = args;
  }

  /** Names, published shapes and initial values of the weights. */
  protected abstract specs(inputs: readonly tf.Shape[]): WeightSpecs;
  /** The layer's arithmetic; called inside `tf.tidy`. */
  protected abstract compute(inputs: readonly tf.Tensor[], weights: Weights): tf.Tensor[];
  protected abstract outputShapes(inputs: readonly tf.Shape[]): tf.Shape[];

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#weights = createLayerWeights(
      this.specs(shapeList(inputShape)),
      this.settings.seed ?? 0,
      (name, shape, isTrainable) =>
        this.addWeight(name, shape, 'float32', tf.initializers.zeros(), undefined, isTrainable),
    );
    super.build(inputShape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor[] {
    const weights = this.#weights;
    if (weights === undefined)
      throw new WeightsError(`the layer \`${this.name}\` is used before it was built`);
    return tf.tidy(() => this.compute(Array.isArray(inputs) ? inputs : [inputs], weights));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape[] {
    return this.outputShapes(shapeList(inputShape));
  }

  override getConfig(): tf.serialization.ConfigDict {
    // The library's type of plain data is an index signature, which an interface of ours does not have.
    const given = { ...this.settings } as unknown as tf.serialization.ConfigDict;
    return { ...given, seed: this.settings.seed ?? 0, ...super.getConfig() };
  }
}

/**
 * Makes a layer's variables under their published names and gives the view of them that the pure functions take. Initial
 * values are drawn from `seed` and the name.
 */
function createLayerWeights(specs: WeightSpecs, seed: number, add: AddWeight): Weights {
  const variables = new Map<string, tf.LayerVariable>();
  const random = new Random(seed);
  for (const [name, spec] of specs) {
    const shape = tensorFlowShape(name, spec.shape);
    const variable = add(name, shape, spec.isTrainable ?? true);
    const { data } = toTensorFlow(name, {
      shape: spec.shape,
      dtype: 'float32',
      data: initialValues(spec, random.split(name)),
    });
    const value = tf.tensor(data as Float32Array, shape);
    variable.write(value);
    value.dispose();
    variables.set(name, variable);
  }
  return weightsOf((name) => variables.get(name)?.read());
}

/** One shape or several, as a list of shapes. */
function shapeList(shapes: tf.Shape | tf.Shape[]): tf.Shape[] {
  return Array.isArray(shapes[0]) ? (shapes as tf.Shape[]) : [shapes as tf.Shape];
}

/** `size / by`, unknown where `size` is. */
export const divided = (size: number | null | undefined, by: number): number | null =>
  size === null || size === undefined ? null : size / by;
