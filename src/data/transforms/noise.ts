import { z } from 'zod';
import { Random } from '../../core/random.js';
import { definePixels } from './transform.js';

const TABLE = normals(4096);

/** Adds normally distributed noise, evenly (camera) and in proportion to the root of the brightness (photons). */
export const noise = definePixels({
  kind: 'pixels',
  name: 'noise',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0.3).describe('share of views with noise'),
    camera: z.number().min(0).default(0.06).describe('largest standard deviation of the even noise'),
    photons: z
      .number()
      .min(0)
      .default(0)
      .describe('largest standard deviation, at full brightness, of the noise that grows with brightness'),
  }),
  apply: (patch, options, random) => {
    if (!random.chance(options.chance)) return patch;
    const even = random.uniform(0, options.camera) ** 2;
    const grainy = random.uniform(0, options.photons) ** 2;
    const values = new Float32Array(patch.values.length);
    let state = random.uint32() | 1;
    for (let i = 0; i < values.length; i++) {
      // xorshift32 into a table of normal numbers: ten times faster than drawing each of a million anew.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      const value = patch.values[i] as number;
      const deviation = Math.sqrt(even + grainy * Math.max(0, value));
      const noisy = value + deviation * (TABLE[(state >>> 8) & 4095] as number);
      values[i] = Math.min(1, Math.max(0, noisy));
    }
    return { ...patch, values };
  },
});

/** Normal numbers of mean 0 and deviation 1, exactly. */
function normals(count: number): Float32Array {
  const random = new Random('normal numbers');
  const drawn = Float64Array.from({ length: count }, () => random.normal());
  const mean = drawn.reduce((sum, v) => sum + v, 0) / count;
  const deviation = Math.sqrt(drawn.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count);
  return Float32Array.from(drawn, (v) => (v - mean) / deviation);
}
