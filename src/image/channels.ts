import { DataError } from '../core/errors.js';
import { valueOfRank } from '../core/rank.js';
import type { PixelImage } from './types.js';

const RGB = ['red', 'green', 'blue'];

/** True for colour pictures (stained tissue), as against fluorescence channels that have biological names. */
export function isColour(image: PixelImage): boolean {
  return image.channels.length === 3 && RGB.every((name, c) => image.channels[c] === name);
}

/** What channels are called that show nuclei, and those that show whole cells; without case and punctuation. */
const NUCLEAR = /^(nuclear|nuclei|nucleus|dapi|hoechst\d*|dna|draq5|h3|sytox|h2b)$/;
const WHOLE_CELL =
  /^(wholecell|cell|cells|membrane|cytoplasm|cyto|actin|phase|phasecontrast|brightfield|dic|grey|gray)$/;

/**
 * CellSAM's rule for channels: red is blank, green nuclear, blue whole-cell; what is there fills from the end. Channels
 * are found by their names: of those that say what they show, the nuclear one comes before the whole-cell one and others
 * are left out. One channel is the whole-cell one, whatever it is called. Two or three of which no name says anything keep
 * their order, as `[..., nuclear, whole-cell]`. Colour pictures come back as they are.
 *
 * @returns one to three channels
 * @throws DataError for more than three channels whose names say nothing, and for two that claim one place
 * @see `paper.md` 5.2
 */
export function inChannelOrder(image: PixelImage): PixelImage {
  const { channels } = image;
  if (channels.length === 1 || isColour(image)) return image;
  const plain = channels.map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, ''));
  const places = (pattern: RegExp): number[] => plain.flatMap((name, c) => (pattern.test(name) ? [c] : []));
  const [nuclear, whole] = [places(NUCLEAR), places(WHOLE_CELL)];
  if (nuclear.length > 1 || whole.length > 1)
    throw new DataError(`two of the channels ${channels.join(', ')} would take one place`, {
      fix: 'choose with the option `channels`, e.g. {nuclear: DAPI, whole-cell: membrane}',
    });
  const chosen = [...nuclear, ...whole];
  if (chosen.length > 0)
    return taken(image, chosen, [...nuclear.map(() => 'nuclear'), ...whole.map(() => 'whole-cell')]);
  if (channels.length <= 3) return image;
  throw new DataError(
    `which of the ${channels.length} channels ${channels.join(', ')} shows nuclei, which whole cells?`,
    {
      fix: 'choose with the option `channels`, e.g. {nuclear: 0, whole-cell: 3}',
    },
  );
}

function taken(image: PixelImage, from: readonly number[], names: readonly string[]): PixelImage {
  const isSame = from.length === image.channels.length && from.every((c, i) => c === i);
  if (isSame) return names.join() === image.channels.join() ? image : { ...image, channels: names };
  const count = image.channels.length;
  const data = new Float32Array(image.height * image.width * from.length);
  for (let i = 0, o = 0; o < data.length; i += count)
    for (const c of from) data[o++] = image.data[i + c] as number;
  return { ...image, channels: names, data };
}

/**
 * Stained colour images as one whole-cell channel: the mean of red, green and blue, turned over where the background is
 * bright, so that cells are bright in every modality. Other images come back with their channels in order.
 */
export function stainToGrey(image: PixelImage): PixelImage {
  return inGrey(image, hasBrightStain(image));
}

/** Whether `stainToGrey` turns an image over: a colour picture whose median lies in the upper half of its range. */
export function hasBrightStain(image: PixelImage): boolean {
  if (!isColour(image)) return false;
  const grey = meanOfColours(image).data;
  const [low, high] = image.range;
  return grey.length > 0 && valueOfRank(grey, grey.length >> 1) > (low + high) / 2;
}

/** Colour as the mean of red, green and blue, anything else with its channels in order; turned over where told. */
export function inGrey(image: PixelImage, isTurnedOver: boolean): PixelImage {
  const grey = isColour(image) ? meanOfColours(image) : inChannelOrder(image);
  const [low, high] = image.range;
  return isTurnedOver ? { ...grey, data: grey.data.map((value) => low + high - value) } : grey;
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
 * and at least 0.62 in its stained ones. For colour a median above half the possible range will do too. Images of several channels come back with them in order.
 */
export function brightCells(given: PixelImage): BrightCells {
  const image = isColour(given) ? meanOfColours(given) : inChannelOrder(given);
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
