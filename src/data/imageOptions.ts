import { z } from 'zod';
import { DataError } from '../core/errors.js';
import { didYouMean } from '../core/nearest.js';
import type { PixelImage } from '../image/types.js';

/** What every layout can be told of its images. */
export const imageOptions = {
  channels: z
    .union([
      z.record(z.string(), z.union([z.number().int().nonnegative(), z.string()])),
      z.array(z.union([z.number().int().nonnegative(), z.string()])).min(1),
    ])
    .optional()
    .describe(
      'channels to take, in this order, by index (from 0) or name; with new names: {nuclear: DAPI, whole-cell: 2}',
    ),
  channelNames: z
    .array(z.string())
    .optional()
    .describe('names of all channels of a file, in order, where the file does not tell them'),
  pages: z
    .enum(['auto', 'channels', 'planes'])
    .default('auto')
    .describe('what the pages of a TIFF are that does not tell: channels up to 8 pages, planes beyond'),
  pixelSizeUm: z
    .number()
    .positive()
    .optional()
    .describe('micrometres per pixel, where the files do not tell or tell wrongly'),
  licence: z.string().optional().describe('licence of the data, kept with every sample'),
};

const schema = z.strictObject(imageOptions);
export type ImageOptions = z.infer<typeof schema>;

/** Nothing chosen: all channels under the file's names. */
export const NO_OPTIONS: ImageOptions = schema.parse({});

/** The channels asked for, named as asked. @throws DataError with the nearest name */
export function chooseChannels(image: PixelImage, options: ImageOptions, path: string): PixelImage {
  const { channelNames, channels, pixelSizeUm } = options;
  const size = pixelSizeUm === undefined ? {} : { pixelSizeUm: [pixelSizeUm, pixelSizeUm] as const };
  const names = channelNames ?? image.channels;
  const count = image.channels.length;
  if (names.length !== count)
    throw new DataError(`${path} has ${count} channels (${image.channels.join(', ')})`, {
      where: path,
      fix: `\`channelNames\` lists ${names.length}: ${names.join(', ')}`,
    });
  if (channels === undefined) return { ...image, ...size, channels: names };
  const wanted: (readonly [string, number | string])[] = Array.isArray(channels)
    ? channels.map((channel) => [typeof channel === 'number' ? (names[channel] ?? '') : channel, channel])
    : Object.entries(channels);
  const from = wanted.map(([, channel]) => {
    const index = typeof channel === 'number' ? channel : names.indexOf(channel);
    if (index >= 0 && index < count) return index;
    throw new DataError(
      `${path} has no channel ${channel}${typeof channel === 'string' ? didYouMean(channel, names) : ''}`,
      { where: path, fix: `it has ${names.map((name, i) => `${i} ${name}`).join(', ')}` },
    );
  });
  const pixels = image.height * image.width;
  const data = new Float32Array(pixels * from.length);
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < from.length; c++)
      data[i * from.length + c] = image.data[i * count + (from[c] as number)] as number;
  return { ...image, ...size, channels: wanted.map(([name]) => name), data };
}
