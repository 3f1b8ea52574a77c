import { detectorInput, maskInput } from '../image/networkInput.js';
import { clipBrightSpots, equalise, type ThreeChannels } from '../image/normalise.js';
import { resize } from '../image/resize.js';
import type { PixelImage } from '../image/types.js';
import type { Stretch } from './preprocess.js';

/** What the two encoders of the released model are shown, `[h, w, 3]` each. */
export interface PublishedFrame {
  readonly masks: Float32Array;
  readonly detector: Float32Array;
}

/**
 * CellSAM's own preprocessing (`normalize=True`): bright spots clipped, CLAHE, resized with antialiasing, and from there a
 * scaling of its own for each encoder.
 *
 * @param stretch of the whole image, where this is a tile of one, so that the noise of an empty tile is not amplified
 */
export function publishedFrame(
  image: PixelImage,
  height: number,
  width: number,
  stretch?: Stretch,
): PublishedFrame {
  const three = threeChannels(image);
  const normalised =
    stretch === undefined ? equalise(clipBrightSpots(three)) : equalise(three, lastThree(stretch));
  const resized = resize({ ...normalised, channels: 3 }, height, width);
  return { masks: maskInput(resized), detector: detectorInput(resized) };
}

/** One channel fills the last place, two the last two, the rest is zero; of more than three the first three are taken. */
export function threeChannels({ height, width, channels, data }: PixelImage): ThreeChannels {
  const count = channels.length;
  const used = Math.min(3, count);
  const out = new Float64Array(height * width * 3);
  for (let i = 0; i < height * width; i++)
    for (let c = 0; c < used; c++) out[3 * i + 3 - used + c] = data[i * count + c] as number;
  return { height, width, data: out };
}

function lastThree(stretch: Stretch): Stretch {
  const used = stretch.slice(0, 3);
  return [...Array.from({ length: 3 - used.length }, () => [0, 0] as const), ...used];
}
