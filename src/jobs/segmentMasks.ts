import { join } from 'node:path';
import { chooseSpelling } from '../data/formats/spellings.js';
import type { PixelImage } from '../image/types.js';
import { openImage } from '../segment/imageFile.js';

/** Pairs whose pixels are looked at; the first mask of a folder may be without objects. */
const LOOKS = 3;
/** Pixels above which an image is not looked at. */
const LARGE = 25e6;
/** Of neighbouring pixels of a mask at least so many are equal: cells of five pixels side by side have four in five. */
const EQUAL = 0.75;
/** An image beside its mask has this much less; a copy of the image in another format has not. */
const LESS = 0.1;

/**
 * Files of one folder that are masks of images beside them: paired by their names, as `check` pairs them (`001.bmp` and
 * `001.png`, `a_img.tif` and `a_mask.tif`), and of pieces of one value each, which images of cells are not.
 *
 * @param names of the folder's images
 * @returns names, none where the files do not look so
 */
export async function masksAmong(folder: string, names: readonly string[]): Promise<readonly string[]> {
  const pairs = chooseSpelling(names)?.pairs ?? [];
  for (const { images, mask } of pairs.slice(0, LOOKS)) {
    const [image] = images;
    if (image !== undefined && (await isMaskOf(join(folder, mask), join(folder, image))))
      return pairs.map((pair) => pair.mask);
  }
  return [];
}

async function isMaskOf(maskPath: string, imagePath: string): Promise<boolean> {
  const [mask, image] = [await look(maskPath), await look(imagePath)];
  if (mask === undefined || image === undefined) return false; // reading it to be segmented says why
  if (mask.height !== image.height || mask.width !== image.width) return false;
  const equal = equalNeighbours(mask);
  return equal >= EQUAL && equal >= equalNeighbours(image) + LESS;
}

/** An image, unless it is too large to be looked at in passing. */
async function look(path: string): Promise<PixelImage | undefined> {
  const opened = await openImage(path, LARGE).catch(() => undefined);
  await opened?.close();
  return opened?.image;
}

/** Share of pixels that are the same as the one to their left, in all channels; 1 for an image of one column. */
export function equalNeighbours({ height, width, channels, data }: PixelImage): number {
  const count = channels.length;
  let [same, all] = [0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 1; x < width; x++) {
      const at = (y * width + x) * count;
      let isSame = true;
      for (let c = 0; c < count && isSame; c++) isSame = data[at + c] === data[at + c - count];
      all++;
      if (isSame) same++;
    }
  return all === 0 ? 1 : same / all;
}
