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
  const whole = meanOfColours(image);
  const grey = whole.data;
  const [low, high] = image.range;
  const median = grey.length === 0 ? low : valueOfRank(grey.slice(), grey.length >> 1);
  if (median > (low + high) / 2)
    for (let i = 0; i < grey.length; i++) grey[i] = low + high - (grey[i] as number);
  return whole;
}

/** An image in which cells are brighter than their surroundings. */
export interface BrightCells {
  readonly image: PixelImage;
  /** True where the background was bright, and grey values were turned over. */
  readonly wasInverted: boolean;
}

/**
 * The form in which small models see images: colour as grey, and bright backgrounds (stained tissue, bright field) turned
 * over, so that cells are bright in every modality. The background counts as bright when the median lies above the
 * middle between the 0.5 and 99.8 percentiles: it is at most 0.12 of that range in the fluorescence images of DSB 2018
 * and at least 0.62 in its stained ones. For colour a median above half the possible range will do too. Images of several named channels come back as they are.
 */
export function brightCells(given: PixelImage): BrightCells {
  const image = isColour(given) ? meanOfColours(given) : given;
  if (image.channels.length !== 1) return { image, wasInverted: false };
  const step = Math.max(1, Math.floor(image.data.length / SAMPLE));
  const sample = new Float32Array(Math.ceil(image.data.length / step));
  for (let i = 0, k = 0; k < sample.length; i += step, k++) sample[k] = image.data[i] as number;
  const rank = (share: number) => valueOfRank(sample, Math.round(share * (sample.length - 1)));
  const [low, high] = [rank(0.005), rank(0.998)];
  const [least, most] = image.range;
  const middle = (low + high) / 2;
  // Colour pictures are exposed over their whole range, so that its middle tells as well.
  const limit = isColour(given) ? Math.min(middle, (least + most) / 2) : middle;
  if (rank(0.5) <= limit) return { image, wasInverted: false };
  return { image: { ...image, data: image.data.map((value) => least + most - value) }, wasInverted: true };
}

/** Pixels that percentiles are taken of. */
const SAMPLE = 200_000;

function meanOfColours(image: PixelImage): PixelImage {
  const grey = new Float32Array(image.height * image.width);
  for (let i = 0; i < grey.length; i++) {
    const [red, green, blue] = [image.data[3 * i], image.data[3 * i + 1], image.data[3 * i + 2]];
    grey[i] = ((red as number) + (green as number) + (blue as number)) / 3;
  }
  return { ...image, channels: ['whole-cell'], data: grey };
}
