import { stat } from 'node:fs/promises';
import { type RawImage, readingOf } from '../raw.js';
import { pixelSizeOf, samplesOf } from './read.js';

/** The first page of a TIFF, read part by part; the caller closes it. */
export interface TiffWindows {
  readonly height: number;
  readonly width: number;
  readonly samples: number;
  readonly pixelSizeUm?: readonly [y: number, x: number];
  /** Rows `y0` to `y1` and columns `x0` to `x1`, half-open. @throws DataError where the file is damaged */
  read(window: {
    readonly x0: number;
    readonly y0: number;
    readonly x1: number;
    readonly y1: number;
  }): Promise<RawImage>;
  close(): Promise<void>;
}

const FIX = 'the file is damaged or of an unusual kind; save it again as a plain TIFF';
const FLOATS = 3;
const SIGNED = 2;

/** Opens a TIFF of any size (BigTIFF, slides); only its directories are read. @throws DataError naming the file */
export function openTiffWindows(path: string): Promise<TiffWindows> {
  return readingOf(path, FIX, async () => {
    await stat(path);
    const { fromFile } = await import('geotiff');
    const tiff = await fromFile(path);
    try {
      const image = await tiff.getImage();
      const samples = image.getSamplesPerPixel();
      const bits = Math.min(32, Number(image.getBitsPerSample()));
      const format = image.getSampleFormat();
      // What a float may be is known only when all of it was read; the values of a whole image are stretched anyway.
      const range: RawImage['range'] =
        format === FLOATS
          ? [0, 1]
          : format === SIGNED
            ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
            : [0, 2 ** bits - 1];
      const about = await samplesOf(image);
      const size = await pixelSizeOf(image, undefined);
      return {
        height: image.getHeight(),
        width: image.getWidth(),
        samples,
        ...size,
        read: ({ x0, y0, x1, y1 }) =>
          readingOf(path, FIX, async () => {
            const raster = await image.readRasters({ window: [x0, y0, x1, y1], interleave: true });
            const data = raster as unknown as ArrayLike<number>;
            return { shape: [y1 - y0, x1 - x0, samples], axes: 'yxs', data, range, ...about, ...size };
          }),
        close: async () => {
          await tiff.close();
        },
      };
    } catch (thrown) {
      await tiff.close();
      throw thrown;
    }
  });
}
