import { open } from 'node:fs/promises';
import { type ImageOptions, NO_OPTIONS } from '../data/imageOptions.js';
import { readPixelImage, toPixelImage } from '../data/readImage.js';
import type { PixelImage } from '../image/types.js';
import { IMAGE_FILE, VENDOR_FILE } from '../io/decode.js';
import { openTiffWindows } from '../io/tiff/window.js';
import { type ImageSource, sourceOf } from './tiles.js';

/** Slides that are TIFFs under a vendor's ending. */
const SLIDE_FILE = /\.(svs|ndpi)$/i;

/** True for the names of files (and OME-Zarr folders) that are segmented when a folder is given. */
export const isImageName = (name: string): boolean => IMAGE_FILE.test(name) || SLIDE_FILE.test(name);

/** True for names of microscopes' own formats: opening such a file says how it is converted. */
export const isVendorName = (name: string): boolean => VENDOR_FILE.test(name) && !SLIDE_FILE.test(name);

/** An image to segment; in memory, or, where it is too large, to be read part by part. */
export interface OpenedImage {
  readonly source: ImageSource;
  readonly image?: PixelImage;
  close(): Promise<void>;
}

/**
 * Opens an image of any format that is read; large TIFFs are read part by part, so that slides of any size fit.
 *
 * @param wholePixels an image of more pixels is not read as a whole
 * @param options which channels are taken, and the pixels' size where the file does not tell
 * @throws DataError naming the file when it cannot be read
 */
export async function openImage(
  path: string,
  wholePixels = Number.POSITIVE_INFINITY,
  options: ImageOptions = NO_OPTIONS,
): Promise<OpenedImage> {
  const parts = (await isTiff(path)) ? await openTiffWindows(path) : undefined;
  const isLarge = parts !== undefined && parts.height * parts.width > wholePixels;
  if (parts === undefined || (!isLarge && !SLIDE_FILE.test(path))) {
    await parts?.close();
    const image = await readPixelImage(path, options);
    return { source: sourceOf(image), image, close: async () => undefined };
  }
  const { height, width } = parts;
  const own = options.pixelSizeUm;
  const pixelSizeUm = own === undefined ? parts.pixelSizeUm : ([own, own] as const);
  const source: ImageSource = {
    height,
    width,
    ...(pixelSizeUm === undefined ? {} : { pixelSizeUm }),
    read: async (tile) => toPixelImage(await parts.read(tile), path, options),
  };
  if (isLarge) return { source, close: () => parts.close() };
  try {
    const image = await source.read({ x0: 0, y0: 0, x1: width, y1: height });
    return { source: sourceOf(image), image, close: async () => undefined };
  } finally {
    await parts.close();
  }
}

/** By the first bytes, as every reader decides. */
async function isTiff(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return false; // the readers say why
  try {
    const head = Buffer.alloc(4);
    await file.read(head, 0, 4, 0).catch(() => undefined); // a folder: OME-Zarr
    const text = head.toString('latin1', 0, 2);
    return text === 'II' || text === 'MM';
  } finally {
    await file.close();
  }
}
