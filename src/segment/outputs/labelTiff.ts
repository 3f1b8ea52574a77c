import { TiffWriter } from '../../io/tiff/write.js';
import type { Output } from './output.js';

/** Labels as uint16, or uint32 above 65535 cells, with the image's pixel size. */
export const labelTiff: Output = {
  suffix: '_masks.tif',
  about: 'label image (TIFF, uint16 or uint32, zlib)',
  async write({ cells }, path) {
    const { height, width, data, count } = cells.labels;
    const bits = count > 65535 ? 32 : 16;
    const writer = await TiffWriter.create(path, {
      height,
      width,
      bits,
      tile: 256,
      pixelSizeUm: cells.pixelSizeUm,
    });
    await writer.writeImage(data);
    await writer.close();
  },
};
