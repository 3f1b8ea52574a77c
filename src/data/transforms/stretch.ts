import { valueOfRank } from '../../core/rank.js';
import type { PixelImage } from '../../image/types.js';

/** Values of the last channel stretched between their 0.5 and 99.8 percentiles, clipped to 0..1: `[H, W]`. */
export function stretched(image: PixelImage): Float32Array {
  const count = image.channels.length;
  const out = new Float32Array(image.height * image.width);
  for (let i = 0; i < out.length; i++) out[i] = image.data[i * count + count - 1] as number;
  const scratch = out.slice();
  const rank = (share: number) => valueOfRank(scratch, Math.round(share * (out.length - 1)));
  const low = rank(0.005);
  const range = Math.max(rank(0.998) - low, 1e-6);
  for (let i = 0; i < out.length; i++) out[i] = Math.min(1, Math.max(0, ((out[i] as number) - low) / range));
  return out;
}
