import { SetupError } from '../core/errors.js';

/** What an image costs while it is segmented as a whole, per pixel: three channels twice, labels, canvas, outputs. */
const BYTES_OF_PIXEL = 48;
/** Of a row of tiles: the open labels of two rows of tiles and the rows that are written. */
const BYTES_OF_ROW_PIXEL = 16;
const LEAST_TILE = 128;
const UNITS: Readonly<Record<string, number>> = {
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** Bytes of `4 GB`, `800MiB`; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*([kmg]i?b)\s*$/i.exec(text) ?? [];
  return amount === undefined || unit === undefined
    ? undefined
    : Number(amount) * (UNITS[unit.toLowerCase()] ?? 1);
}

/**
 * Pixels of the largest image that is segmented as a whole; larger ones are read, segmented and written tile by tile.
 *
 * @param modelBytes what the program and its model take @param inFlight images in memory at once: one segmented, others
 *   decoded ahead or written behind
 * @throws SetupError when the model alone needs more
 */
export function wholePixels(maxBytes: number, modelBytes: number, inFlight: number): number {
  const free = maxBytes - modelBytes;
  if (free < BYTES_OF_PIXEL * inFlight * LEAST_TILE ** 2)
    throw new SetupError(
      `--max-memory allows ${gigabytes(maxBytes)}, and the model alone needs about ${gigabytes(modelBytes)}`,
      { where: '--max-memory', fix: 'allow more, or use a smaller model' },
    );
  return Math.floor(free / (BYTES_OF_PIXEL * inFlight));
}

/**
 * Side of the tiles of a slide so that a row of them fits.
 *
 * @param usual the side without a limit
 * @throws SetupError when not even the smallest tiles do
 */
export function tileWithin(maxBytes: number, modelBytes: number, width: number, usual: number): number {
  const free = maxBytes - modelBytes - BYTES_OF_PIXEL * usual ** 2;
  const side = Math.min(usual, Math.floor(free / (BYTES_OF_ROW_PIXEL * width)));
  if (side >= Math.min(usual, LEAST_TILE)) return side;
  const wanted = modelBytes + BYTES_OF_PIXEL * usual ** 2 + BYTES_OF_ROW_PIXEL * width * LEAST_TILE;
  throw new SetupError(
    `an image ${width} pixels wide needs about ${gigabytes(wanted)}, and --max-memory allows ${gigabytes(maxBytes)}`,
    { where: '--max-memory', fix: 'allow more, or cut the image into strips' },
  );
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
