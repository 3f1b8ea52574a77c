import { z } from 'zod';
import { positiveRange } from '../../config/range.js';
import { definePixels } from './transform.js';

/** Changes brightness, contrast and gamma, and lays a haze over the image: exposure and background vary like this. */
export const intensity = definePixels({
  kind: 'pixels',
  name: 'intensity',
  options: z.strictObject({
    gamma: z
      .number()
      .min(0)
      .default(0.5)
      .describe('largest logarithm of the exponent, to either side; 0 keeps it'),
    gain: positiveRange().default([0.7, 1.15]).describe('smallest and largest factor of the brightness'),
    contrast: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe('largest change of the contrast about the mean, to either side, as a share'),
    hazeChance: z.number().min(0).max(1).default(0.3).describe('share of views with a haze'),
    haze: z.number().min(0).max(1).default(0.15).describe('largest brightness of the haze'),
  }),
  apply: (patch, options, random) => {
    const gamma = Math.exp(random.uniform(-options.gamma, options.gamma));
    const gain = random.uniform(options.gain[0], options.gain[1]);
    const contrast = 1 + random.uniform(-options.contrast, options.contrast);
    const haze = random.chance(options.hazeChance) ? random.uniform(0, options.haze) : 0;
    const curve = curveOf((value) => haze + (gain - haze) * value ** gamma);
    const values = new Float32Array(patch.values.length);
    let sum = 0;
    for (let i = 0; i < values.length; i++) {
      const place = (patch.values[i] as number) * STEPS;
      const below = place > STEPS ? STEPS : place | 0;
      const low = curve[below] as number;
      const value = low + (place - below) * ((curve[below + 1] as number) - low);
      values[i] = value;
      sum += value;
    }
    const mean = sum / Math.max(1, values.length);
    if (contrast !== 1)
      for (let i = 0; i < values.length; i++)
        values[i] = Math.max(0, mean + contrast * ((values[i] as number) - mean));
    return { ...patch, values };
  },
});

const STEPS = 4096;

/** A curve over 0..1 as a table: powers are dear, and there are hundreds of thousands of pixels. */
function curveOf(at: (value: number) => number): Float64Array {
  return Float64Array.from({ length: STEPS + 2 }, (_, i) => at(Math.min(1, i / STEPS)));
}
