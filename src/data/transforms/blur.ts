import { z } from 'zod';
import { definePixels } from './transform.js';

/** Blurs by a Gaussian, as out-of-focus planes look; borders repeat their last pixel. */
export const blur = definePixels({
  kind: 'pixels',
  name: 'blur',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0).describe('share of views that are blurred'),
    sigma: z
      .tuple([z.number().positive(), z.number().positive()])
      .default([0.3, 1.5])
      .describe('smallest and largest standard deviation in px'),
  }),
  apply: (patch, { chance, sigma }, random) => {
    if (!random.chance(chance)) return patch;
    const kernel = gaussian(random.uniform(sigma[0], sigma[1]));
    const { height, width, channels } = patch;
    const row = channels * width;
    const across = convolved(patch.values, kernel, {
      lines: height,
      stride: row,
      length: width,
      step: channels,
      lanes: channels,
    });
    return {
      ...patch,
      values: convolved(across, kernel, { lines: 1, stride: 0, length: height, step: row, lanes: row }),
    };
  },
});

/** Half of a normalised kernel, its middle first; cut at three standard deviations. */
export function gaussian(sigma: number): Float64Array {
  const half = Float64Array.from({ length: Math.ceil(3 * sigma) + 1 }, (_, i) =>
    Math.exp((-i * i) / (2 * sigma * sigma)),
  );
  const sum = half.reduce((total, v) => total + v, 0) * 2 - 1;
  return half.map((v) => v / sum);
}

interface Axis {
  /** How many lines run along the axis, and how far apart they begin. */
  readonly lines: number;
  readonly stride: number;
  /** Positions along the axis, and how far apart they are. */
  readonly length: number;
  readonly step: number;
  /** Neighbouring values that move along the axis together. */
  readonly lanes: number;
}

function convolved(values: Float32Array, kernel: Float64Array, axis: Axis): Float32Array {
  const { lines, stride, length, step, lanes } = axis;
  const out = new Float32Array(values.length);
  for (let line = 0; line < lines; line++) {
    for (let p = 0; p < length; p++) {
      const to = line * stride + p * step;
      for (let k = 0; k < kernel.length; k++) {
        const weight = kernel[k] as number;
        const low = line * stride + Math.max(0, p - k) * step;
        const high = line * stride + Math.min(length - 1, p + k) * step;
        for (let lane = 0; lane < lanes; lane++) {
          const sum =
            k === 0
              ? (values[low + lane] as number)
              : (values[low + lane] as number) + (values[high + lane] as number);
          out[to + lane] = (out[to + lane] as number) + weight * sum;
        }
      }
    }
  }
  return out;
}
