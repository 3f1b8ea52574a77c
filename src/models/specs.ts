import type { Random } from '../core/random.js';

/** How a weight starts when a model is trained from nothing. */
export type Initialiser =
  | { readonly kind: 'constant'; readonly value: number }
  /** U(-1/sqrt(fanIn), 1/sqrt(fanIn)): PyTorch's default of linear and convolution layers. */
  | { readonly kind: 'fanIn'; readonly fanIn: number }
  | { readonly kind: 'xavier'; readonly fanIn: number; readonly fanOut: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'values'; readonly values: readonly number[] };

/** One weight: its published shape and where it starts. */
export interface WeightSpec {
  readonly shape: readonly number[];
  readonly init: Initialiser;
  /** False for buffers that are stored but never trained. */
  readonly isTrainable?: boolean;
}

export type WeightSpecs = Map<string, WeightSpec>;

export const ZERO: Initialiser = { kind: 'constant', value: 0 };
export const ONE: Initialiser = { kind: 'constant', value: 1 };

/** `.weight [out, in]` and `.bias [out]` of a linear layer. */
export function linearSpecs(
  specs: WeightSpecs,
  name: string,
  inputs: number,
  outputs: number,
  hasBias = true,
): void {
  const init: Initialiser = { kind: 'fanIn', fanIn: inputs };
  specs.set(`${name}.weight`, { shape: [outputs, inputs], init });
  if (hasBias) specs.set(`${name}.bias`, { shape: [outputs], init });
}

/** `.weight [out, in, k, k]` and `.bias [out]` of a convolution. */
export function convSpecs(
  specs: WeightSpecs,
  name: string,
  inputs: number,
  outputs: number,
  kernel: number,
  hasBias = true,
): void {
  const init: Initialiser = { kind: 'fanIn', fanIn: inputs * kernel * kernel };
  specs.set(`${name}.weight`, { shape: [outputs, inputs, kernel, kernel], init });
  if (hasBias) specs.set(`${name}.bias`, { shape: [outputs], init });
}

/** `.weight` 1 and `.bias` 0 of a normalisation over this many channels. */
export function normSpecs(specs: WeightSpecs, name: string, channels: number): void {
  specs.set(`${name}.weight`, { shape: [channels], init: ONE });
  specs.set(`${name}.bias`, { shape: [channels], init: ZERO });
}

/** Copies `inner` into `specs` with a prefix. */
export function addScoped(specs: WeightSpecs, prefix: string, inner: WeightSpecs): void {
  for (const [name, spec] of inner) specs.set(`${prefix}.${name}`, spec);
}

/** Values of a fresh weight, row-major in its published shape. */
export function initialValues(spec: WeightSpec, random: Random): Float32Array {
  const size = spec.shape.reduce((a, b) => a * b, 1);
  const { init } = spec;
  const draw = (f: () => number) => Float32Array.from({ length: size }, f);
  switch (init.kind) {
    case 'constant':
      return new Float32Array(size).fill(init.value);
    case 'values':
      return Float32Array.from(init.values);
    case 'fanIn':
      return draw(() => random.uniform(-1, 1) / Math.sqrt(init.fanIn));
    case 'xavier':
      return draw(() => random.uniform(-1, 1) * Math.sqrt(6 / (init.fanIn + init.fanOut)));
    case 'normal':
      return draw(() => random.normal(0, init.deviation));
    case 'uniform':
      return draw(() => random.uniform(init.low, init.high));
  }
}
