import { checkSize, type RawImage, readingOf } from './raw.js';

/**
 * Reads a JPEG or WebP: 8 bits, grey or red, green, blue; turned upright as its EXIF says, as every viewer shows it and
 * as annotators saw it. Damaged files are refused, not filled with grey.
 *
 * @throws DataError naming `where`
 */
export function readPicture(bytes: Uint8Array, where: string): Promise<RawImage> {
  return readingOf(where, 'the file is damaged; copy it again', async () => {
    const { default: sharp } = await import('sharp');
    const image = sharp(bytes, { failOn: 'truncated' }).autoOrient();
    const { width, height, channels } = await image.metadata();
    checkSize([height, width, channels], where);
    const { data, info } = await image
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    return {
      shape: [info.height, info.width, info.channels],
      axes: 'yxs',
      data: new Uint8Array(data),
      range: [0, 255],
      hasAlpha: info.channels === 4 || info.channels === 2,
      isColour: info.channels >= 3,
    };
  });
}
