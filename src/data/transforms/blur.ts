import { z } from 'zod';
import { positiveRange } from '../../config/range.js';
import type { Patch } from '../prepared.js';
import { definePixels } from './transform.js';

/** Blurs by a Gaussian, as out-of-focus planes look; borders repeat their last pixel. */
export const blur = definePixels({
  kind: 'pixels',
  name: 'blur',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0).describe('share of views that are blurred'),
    sigma: positiveRange().default([0.3, 1.5]).describe('smallest and largest standard deviation in px'),
  }),
  apply: (patch, { chance, sigma }, random) => {
    if (!random.chance(chance)) return patch;
    const kernel = gaussian(random.uniform(sigma[0], sigma[1]));
    return { ...patch, values: blurDown(blurAcross(patch, patch.values, kernel), patch, kernel) };
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

type Extent = Pick<Patch, 'height' | 'width' | 'channels'>;

function blurAcross(
  { height, width, channels }: Extent,
  values: Float32Array,
  kernel: Float64Array,
): Float32Array {
  const out = new Float32Array(values.length);
  const reach = (kernel.length - 1) * channels;
  const row = new Float64Array(width * channels + 2 * reach); // with its ends repeated
  for (let y = 0; y < height; y++) {
    const start = y * width * channels;
    for (let i = -reach; i < width * channels + reach; i++) {
      const x = Math.min(width - 1, Math.max(0, Math.floor(i / channels)));
      row[i + reach] = values[start + x * channels + ((i + reach) % channels)] as number;
    }
    for (let i = 0; i < width * channels; i++) {
      let sum = (kernel[0] as number) * (row[i + reach] as number);
      for (let k = 1, step = channels; k < kernel.length; k++, step += channels)
        sum +=
          (kernel[k] as number) * ((row[i + reach - step] as number) + (row[i + reach + step] as number));
      out[start + i] = sum;
    }
  }
  return out;
}

function blurDown(
  values: Float32Array,
  { height, width, channels }: Extent,
  kernel: Float64Array,
): Float32Array {
  const out = new Float32Array(values.length);
  const length = width * channels;
  for (let y = 0; y < height; y++) {
    const to = y * length;
    for (let k = 0; k < kernel.length; k++) {
      const weight = kernel[k] as number;
      const above = Math.max(0, y - k) * length;
      const below = Math.min(height - 1, y + k) * length;
      if (k === 0) for (let i = 0; i < length; i++) out[to + i] = weight * (values[above + i] as number);
      else
        for (let i = 0; i < length; i++)
          out[to + i] =
            (out[to + i] as number) +
            weight * ((values[above + i] as number) + (values[below + i] as number));
    }
  }
  return out;
}
