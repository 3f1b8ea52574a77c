import type { ArrayInfo, ArraySource, NamedArray, NamedArrays } from '../core/arrays.js';
import { type Problem, WeightsError } from '../core/errors.js';
import { Random } from '../core/random.js';
import { tf } from '../tf/index.js';
import { sharedCopies, spareNames, weightSpecs } from './cellsamSpecs.js';
import { mismatchError } from './mismatch.js';
import { tensorFlowShape, toPublished, toTensorFlow } from './names.js';
import type { ModelConfig } from './options.js';
import { Parameters } from './parameters.js';
import { initialValues } from './specs.js';

/** What may differ between a file and the model that it fills. */
export interface FillOptions {
  /** Patterns of names that may be missing; those start fresh, drawn from `random`. */
  readonly allowMissing?: readonly RegExp[];
  /** Patterns of names in the file that may be left unused. */
  readonly allowUnexpected?: readonly RegExp[];
  readonly random?: Random;
  /** Is told the names that the model leaves unused, so that nothing is skipped in silence. */
  readonly onUnused?: (names: readonly string[]) => void;
}

type Entries = ReadonlyMap<string, { readonly shape: readonly number[] }>;
/** Asks for one array after the other, so that the same steps serve arrays in memory and a file. */
type Filling = Generator<string, Parameters, NamedArray>;

/** Weights of a model from arrays in memory. @throws WeightsError listing all that does not fit */
export function filled(config: ModelConfig, arrays: NamedArrays, options: FillOptions): Parameters {
  const steps = filling(config, arrays, options);
  let step = steps.next();
  while (step.done !== true) {
    const array = arrays.get(step.value) as NamedArray;
    // A copy: TensorFlow.js keeps the numbers that it is given, and these are the caller's.
    step = steps.next({ ...array, data: array.data.slice() });
  }
  return step.value;
}

/** Weights of a model from a source, read one by one. @throws WeightsError listing all that does not fit */
export async function filledFrom(
  config: ModelConfig,
  source: ArraySource,
  options: FillOptions,
): Promise<Parameters> {
  const steps = filling(config, source.entries, options);
  let step = steps.next();
  while (step.done !== true) {
    const array = await source.read(step.value).catch((thrown: unknown) => {
      steps.return(new Parameters()); // frees what was filled
      throw thrown;
    });
    step = steps.next(array);
  }
  return step.value;
}

function* filling(config: ModelConfig, entries: Entries, options: FillOptions): Filling {
  const specs = weightSpecs(config);
  checkNames(config, entries, options);
  const random = options.random ?? new Random(0);
  const parameters = new Parameters();
  const differing: Problem[] = [];
  let isWhole = false;
  try {
    for (const [name, spec] of specs) {
      const { shape, isTrainable = true } = spec;
      const given = entries.has(name) ? yield name : undefined;
      const data = given === undefined ? initialValues(spec, random.split(name)) : asFloats(given);
      for (const copy of sharedCopies(name, config)) {
        if (!entries.has(copy) || isSame(data, asFloats(yield copy))) continue;
        differing.push({
          where: copy,
          message: `differs from \`${name}\`, with which the model shares it`,
        });
      }
      const array = toTensorFlow(name, { shape, dtype: 'float32', data });
      const value = tf.tensor(array.data as Float32Array, tensorFlowShape(name, shape), 'float32');
      parameters.add(name, value, isTrainable);
    }
    if (differing.length > 0)
      throw new WeightsError('heads that all decoder layers share differ in the file', {
        problems: differing,
      });
    isWhole = true;
    return parameters;
  } finally {
    if (!isWhole) parameters.dispose();
  }
}

function checkNames(config: ModelConfig, entries: Entries, options: FillOptions): void {
  const specs = weightSpecs(config);
  const copies = [...specs.keys()].flatMap((name) => sharedCopies(name, config));
  const known = new Set([...copies, ...spareNames(config)]);
  const { allowMissing = [], allowUnexpected = [] } = options;
  const isUnused = (name: string) =>
    !specs.has(name) && (known.has(name) || allowUnexpected.some((pattern) => pattern.test(name)));
  const unused = [...entries.keys()].filter(isUnused);
  const rest = new Map([...entries].filter(([name]) => !isUnused(name)));
  const error = mismatchError(specs, rest, allowMissing);
  if (error !== undefined) throw error;
  const isCopy = new Set(copies);
  const skipped = unused.filter((name) => !isCopy.has(name));
  if (skipped.length > 0) options.onUnused?.(skipped);
}

function asFloats({ data }: NamedArray): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data, Number);
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}

/** Every weight in the published layout; the shared heads once for each decoder layer, with the same numbers. */
export function publishedArrays(config: ModelConfig, parameters: Parameters): Map<string, NamedArray> {
  const arrays = new Map<string, NamedArray>();
  for (const [name, { shape }] of weightSpecs(config)) {
    const array = published(name, shape, parameters);
    arrays.set(name, array);
    for (const copy of sharedCopies(name, config)) arrays.set(copy, array);
  }
  return arrays;
}

/** The same as a source. */
export function publishedSource(config: ModelConfig, parameters: Parameters): ArraySource {
  const specs = weightSpecs(config);
  const original = new Map<string, string>();
  const entries = new Map<string, ArrayInfo>();
  for (const [name, { shape }] of specs) {
    entries.set(name, { shape, dtype: 'float32', stored: 'float32' });
    for (const copy of sharedCopies(name, config)) {
      original.set(copy, name);
      entries.set(copy, { shape, dtype: 'float32', stored: 'float32', sameAs: name });
    }
  }
  const read = async (name: string): Promise<NamedArray> => {
    const own = original.get(name) ?? name;
    const spec = specs.get(own);
    if (spec === undefined) throw new RangeError(`the model has no weight \`${name}\``);
    return published(own, spec.shape, parameters);
  };
  return { entries, read };
}

function published(name: string, shape: readonly number[], parameters: Parameters): NamedArray {
  const variable = parameters.get(name);
  const data = new Float32Array(variable.dataSync());
  return { ...toPublished(name, { shape: variable.shape, dtype: 'float32', data }), shape };
}
