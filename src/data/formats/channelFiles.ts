import { basename, dirname } from 'node:path';
import { DataError } from '../../core/errors.js';
import type { PixelImage } from '../../image/types.js';
import { chooseChannels, type ImageOptions } from '../imageOptions.js';

/**
 * Joins images of one channel each.
 *
 * @param names of the channels; by default the files' folders
 * @throws DataError when sizes differ or a file has several channels
 */
export function joinChannels(
  images: readonly PixelImage[],
  files: readonly string[],
  names: readonly string[] | undefined,
  options: ImageOptions,
): PixelImage {
  const [first] = images as [PixelImage];
  for (const [i, image] of images.entries()) {
    if (image.channels.length !== 1 || image.height !== first.height || image.width !== first.width)
      throw new DataError(
        `${files[i]} is ${image.width} x ${image.height} with ${image.channels.length} channels, ${files[0]} ${first.width} x ${first.height}`,
        {
          where: files[i] as string,
          fix: 'files that are channels of one image have one channel and one size',
        },
      );
  }
  const count = images.length;
  const data = new Float32Array(first.height * first.width * count);
  for (const [c, image] of images.entries())
    for (let i = 0; i < image.data.length; i++) data[i * count + c] = image.data[i] as number;
  const range = [
    Math.min(...images.map((image) => image.range[0])),
    Math.max(...images.map((image) => image.range[1])),
  ] as const;
  const channels = names ?? files.map((file) => basename(dirname(file)));
  return chooseChannels({ ...first, channels, data, range }, options, files[0] as string);
}
