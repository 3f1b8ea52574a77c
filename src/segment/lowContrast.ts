import { enhanceLowContrast } from '../image/lowContrast.js';
import { minMax } from '../image/normalise.js';
import type { PixelImage } from '../image/types.js';
import { threeChannels } from './publishedFrame.js';

/**
 * CellSAM's low-contrast enhancement as an option: an image that it judges to be low in contrast, enhanced, with the box
 * threshold that belongs to it; any other comes back as it is.
 */
export function enhanced(image: PixelImage): {
  readonly image: PixelImage;
  readonly boxThreshold?: number;
} {
  const { isLow, enhanced: better, boxThreshold } = enhanceLowContrast(minMax(threeChannels(image)));
  if (!isLow) return { image };
  const used = Math.min(3, image.channels.length);
  const data = new Float32Array(image.height * image.width * used);
  for (let i = 0; i < image.height * image.width; i++)
    for (let c = 0; c < used; c++) data[i * used + c] = better.data[3 * i + 3 - used + c] as number;
  const channels = image.channels.slice(0, used);
  return { image: { ...image, channels, data, range: [0, 1] }, boxThreshold };
}
