import { valueOfRank } from '../../core/rank.js';
import type { PixelImage } from '../../image/types.js';

/**
 * Values of the last channels, three at most, each stretched between its 0.5 and 99.8 percentiles and clipped to 0..1:
 * `[H, W, C]`.
 */
export function stretched(image: PixelImage): Float32Array {
  const count = image.channels.length;
  const kept = Math.min(3, count);
  const pixels = image.height * image.width;
  const out = new Float32Array(pixels * kept);
  const plane = new Float32Array(pixels);
  for (let c = 0; c < kept; c++) {
    for (let i = 0; i < pixels; i++) plane[i] = image.data[i * count + count - kept + c] as number;
    const rank = (share: number) => valueOfRank(plane, Math.round(share * (pixels - 1)));
    const low = rank(0.005);
    const range = Math.max(rank(0.998) - low, 1e-6);
    for (let i = 0; i < pixels; i++) {
      const value = image.data[i * count + count - kept + c] as number;
      out[i * kept + c] = Math.min(1, Math.max(0, (value - low) / range));
    }
  }
  return out;
}
