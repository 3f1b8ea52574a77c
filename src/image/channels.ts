import { valueOfRank } from '../core/rank.js';
import type { PixelImage } from './types.js';

const RGB = ['red', 'green', 'blue'];

/** True for colour pictures (stained tissue), as against fluorescence channels that have biological names. */
export function isColour(image: PixelImage): boolean {
  return image.channels.length === 3 && RGB.every((name, c) => image.channels[c] === name);
}

/**
 * Stained colour images as one whole-cell channel: the mean of red, green and blue, turned over where the background is
 * bright, so that cells are bright in every modality. Other images come back as they are.
 */
export function stainToGrey(image: PixelImage): PixelImage {
  if (!isColour(image)) return image;
  const pixels = image.height * image.width;
  const grey = new Float32Array(pixels);
  for (let i = 0; i < pixels; i++) {
    grey[i] =
      ((image.data[3 * i] as number) +
        (image.data[3 * i + 1] as number) +
        (image.data[3 * i + 2] as number)) /
      3;
  }
  const [low, high] = image.range;
  const median = pixels === 0 ? low : valueOfRank(grey.slice(), pixels >> 1);
  if (median > (low + high) / 2) for (let i = 0; i < pixels; i++) grey[i] = low + high - (grey[i] as number);
  return { ...image, channels: ['whole-cell'], data: grey };
}
