import { WeightsError } from '../../core/errors.js';
import { Random } from '../../core/random.js';
import { tf } from '../../tf/index.js';
import { tensorFlowShape, toTensorFlow } from '../names.js';
import type { Weights } from '../parameters.js';
import { initialValues, type WeightSpecs } from '../specs.js';

/** Makes one variable of a layer; `addWeight` of the layer itself, which is protected. */
export type AddWeight = (name: string, shape: number[], isTrainable: boolean) => tf.LayerVariable;

/**
 * Makes a layer's variables under their published names and gives the view of them that the pure functions take. Initial
 * values are drawn from `seed` and the name.
 */
export function createLayerWeights(specs: WeightSpecs, seed: number, add: AddWeight): Weights {
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
  return view(variables, '');
}

function view(variables: ReadonlyMap<string, tf.LayerVariable>, prefix: string): Weights {
  return {
    get: (name) => {
      const variable = variables.get(prefix + name);
      if (variable === undefined) throw new WeightsError(`the layer has no weight \`${prefix}${name}\``);
      return variable.read();
    },
    has: (name) => variables.has(prefix + name),
    scope: (inner) => view(variables, `${prefix}${inner}.`),
  };
}

/** The weights of a layer that was built. @throws WeightsError before that */
export function built(weights: Weights | undefined, layer: string): Weights {
  if (weights === undefined) throw new WeightsError(`the layer \`${layer}\` is used before it was built`);
  return weights;
}

/** What a layer was called with, always as a list: the library hands over a single input with or without one. */
export const asList = <T>(inputs: T | T[]): T[] => (Array.isArray(inputs) ? inputs : [inputs]);

/** One shape or several, as a list of shapes. */
export function shapeList(shapes: tf.Shape | tf.Shape[]): tf.Shape[] {
  return Array.isArray(shapes[0]) ? (shapes as tf.Shape[]) : [shapes as tf.Shape];
}

/** `size / by`, unknown where `size` is. */
export const divided = (size: number | null | undefined, by: number): number | null =>
  size === null || size === undefined ? null : size / by;
