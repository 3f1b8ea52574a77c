import { percentile } from './normalise.js';

/** SAM's mean and deviation for values 0..255, and ImageNet's for 0..1. */
const SAM_MEAN = [123.675, 116.28, 103.53] as const;
const SAM_STD = [58.395, 57.12, 57.375] as const;
const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

type Triple = readonly [number, number, number];
const f = Math.fround;

/**
 * What the detector's ViT of the released two-ViT model reads: 8-bit levels, every channel stretched to 0..1, an empty
 * green or blue channel filled from the other.
 *
 * @param resized `[S, S, 3]` in 0..1
 */
export function detectorInput(resized: Float32Array): Float32Array {
  return fillEmpty(unitChannels(standardise(toBytes(resized), SAM_MEAN, SAM_STD)));
}

/**
 * What the mask branch's encoder reads: values clipped at the pooled 99.5 percentile, every channel stretched to 0..1,
 * then SAM's mean and deviation.
 *
 * @param resized `[S, S, 3]` in 0..1
 */
export function maskInput(resized: Float32Array): Float32Array {
  return samStandardise(unitChannels(clipPooled(resized)));
}

/** `floor(255 x)` with the product in single precision. */
export function toBytes(values: Float32Array): Uint8Array {
  return Uint8Array.from(values, (value) => Math.floor(f(value * 255)));
}

/** `(x - mean) / std` per channel in single precision. */
export function standardise(values: ArrayLike<number>, mean: Triple, std: Triple): Float32Array {
  return Float32Array.from(values, (value, i) =>
    f(f(value - f(mean[i % 3] as number)) / f(std[i % 3] as number)),
  );
}

/** SAM's standardisation of values in 0..1. */
export function samStandardise(values: Float32Array): Float32Array {
  const per255 = (numbers: Triple) => numbers.map((n) => n / 255) as [number, number, number];
  return standardise(values, per255(SAM_MEAN), per255(SAM_STD));
}

/** SAM's standardisation of bytes; the first half of the detector's path. */
export function samStandardiseBytes(bytes: Uint8Array): Float32Array {
  return standardise(bytes, SAM_MEAN, SAM_STD);
}

/** ImageNet's standardisation, then each channel to 0..1 in single precision. */
export function unitChannels(values: Float32Array): Float32Array {
  const out = standardise(values, IMAGENET_MEAN, IMAGENET_STD);
  for (let c = 0; c < 3; c++) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = c; i < out.length; i += 3) {
      low = Math.min(low, out[i] as number);
      high = Math.max(high, out[i] as number);
    }
    const range = f(f(high - low) + f(1e-6));
    for (let i = c; i < out.length; i += 3) out[i] = f(f((out[i] as number) - low) / range);
  }
  return out;
}

/** Channel 1 copied from 2 where it is empty, then 2 from 1. */
export function fillEmpty(values: Float32Array): Float32Array {
  const out = values.slice();
  for (const [to, from] of [
    [1, 2],
    [2, 1],
  ] as const) {
    let high = Number.NEGATIVE_INFINITY;
    for (let i = to; i < out.length; i += 3) high = Math.max(high, out[i] as number);
    if (high === 0) for (let i = 0; i < out.length; i += 3) out[i + to] = out[i + from] as number;
  }
  return out;
}

/** The lowest value and the 99.5 percentile of all non-zero values become 0 and 1; an image of zeros stays. */
export function clipPooled(values: Float32Array): Float32Array {
  const sorted = values.filter((value) => value !== 0).sort();
  if (sorted.length === 0) return values.slice();
  const [low, high] = [f(percentile(sorted, 0)), f(percentile(sorted, 0.995))];
  if (high === low) return values.map((value) => Math.min(1, Math.max(0, value)));
  return values.map((value) => f(f(Math.min(high, Math.max(low, value)) - low) / f(high - low)));
}
