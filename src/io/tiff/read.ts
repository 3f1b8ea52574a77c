import type { GeoTIFF, GeoTIFFImage } from 'geotiff';
import { checkSize, type RawImage, rangeOf, readingOf } from '../raw.js';
import { type PageOrder, readDescription } from './description.js';

type Numbers =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array;

const PHOTOMETRIC_RGB = 2;
const PHOTOMETRIC_YCBCR = 6;
const PER_CENTIMETRE = 3;

/**
 * Reads a TIFF with all its pages: integers of 8 to 32 bits, floats, tiles, strips, planar samples, BigTIFF; packed by
 * LZW, deflate, PackBits, zstd or JPEG. Pages are ordered as ImageJ's or OME's description says.
 *
 * @throws DataError naming `where`
 */
export function readTiff(bytes: Uint8Array, where: string): Promise<RawImage> {
  return readingOf(
    where,
    'the file is damaged or of an unusual kind; save it again as a plain TIFF',
    async () => {
      const { fromArrayBuffer } = await import('geotiff');
      const count = countPages(bytes);
      const tiff = await fromArrayBuffer(new Uint8Array(bytes).buffer);
      const first = await tiff.getImage(0);
      const page = [first.getHeight(), first.getWidth(), first.getSamplesPerPixel()];
      checkSize([count, ...page], where);
      if (
        first.getTileWidth() * first.getTileHeight() >
        4 * (page[0] as number) * (page[1] as number) + 2 ** 24
      )
        throw new Error(`it claims tiles of ${first.getTileWidth()} x ${first.getTileHeight()}`);
      const size = page.reduce((a, b) => a * b, 1);
      if (size * count > Math.max(SMALL, bytes.length * MAX_RATIO))
        throw new Error(`it claims ${page.join(' x ')} values in ${bytes.length} bytes`);
      const order = readDescription(await textOf(first), count, await resolutionOf(first));
      const data = await readPages(tiff, page, count, order);
      const kept = (order?.sizes ?? [count]).map((n, i) => ({ n, axis: (order?.axes ?? 'q')[i] as string }));
      const pages = kept.filter(({ n }) => n > 1);
      return {
        shape: [...pages.map(({ n }) => n), ...page],
        axes: `${pages.map(({ axis }) => axis).join('')}yxs`,
        data,
        range: rangeOf(data),
        ...(await samplesOf(first)),
        ...(order?.channels && { channels: order.channels }),
        ...(await pixelSizeOf(first, order?.pixelSizeUm)),
      };
    },
  );
}

/** The pages one after another, in the order that the description tells. */
async function readPages(
  tiff: GeoTIFF,
  page: readonly number[],
  count: number,
  order: PageOrder | undefined,
): Promise<Numbers> {
  const size = page.reduce((a, b) => a * b, 1);
  let data: Numbers | undefined;
  for (let i = 0; i < count; i++) {
    const image = await tiff.getImage(order?.pages?.[i] ?? i);
    const own = [image.getHeight(), image.getWidth(), image.getSamplesPerPixel()];
    if (own.join() !== page.join())
      throw new Error('its pages differ in size; save the full-size page alone');
    await checkBlocks(image);
    const values = (await image.readRasters({ interleave: true })) as unknown as Numbers;
    if (values.length !== size) throw new Error(`page ${i + 1} has ${values.length} of ${size} values`);
    if (count === 1) return values;
    data ??= new (values.constructor as new (n: number) => Numbers)(size * count);
    data.set(values, i * size);
  }
  return data as Numbers;
}

async function textOf(image: GeoTIFFImage): Promise<string> {
  const text: unknown = await image.getFileDirectory().loadValue('ImageDescription');
  return typeof text === 'string' ? text : '';
}

/** Pixels per unit. */
async function resolutionOf(image: GeoTIFFImage): Promise<readonly [y: number, x: number] | undefined> {
  const directory = image.getFileDirectory();
  const [y, x] = [await directory.loadValue('YResolution'), await directory.loadValue('XResolution')].map(
    (value: unknown) => {
      const pair = value as ArrayLike<number> | undefined;
      return pair?.length === 2 ? (pair[0] as number) / (pair[1] as number) : Number.NaN;
    },
  ) as [number, number];
  return y > 0 && x > 0 ? [y, x] : undefined;
}

/** Centimetres are written by microscopes; inches (72, 96, 300 to one) by programs that know nothing of the specimen. */
export async function pixelSizeOf(
  image: GeoTIFFImage,
  told: readonly [number, number] | undefined,
): Promise<{ pixelSizeUm?: readonly [y: number, x: number] }> {
  if (told !== undefined) return { pixelSizeUm: told };
  const unit: unknown = await image.getFileDirectory().loadValue('ResolutionUnit');
  const resolution = await resolutionOf(image);
  if (unit !== PER_CENTIMETRE || resolution === undefined) return {};
  return { pixelSizeUm: [1e4 / resolution[0], 1e4 / resolution[1]] };
}

export async function samplesOf(image: GeoTIFFImage): Promise<{ hasAlpha: boolean; isColour: boolean }> {
  const directory = image.getFileDirectory();
  const photometric: unknown = await directory.loadValue('PhotometricInterpretation');
  const extra = ((await directory.loadValue('ExtraSamples')) ?? []) as ArrayLike<number> | number;
  const last = typeof extra === 'number' ? extra : extra[extra.length - 1];
  return {
    hasAlpha: last === 1 || last === 2,
    isColour: photometric === PHOTOMETRIC_RGB || photometric === PHOTOMETRIC_YCBCR,
  };
}

/** Bytes of a value of each of TIFF's field types, 1 (byte) to 18 (8-byte offset). */
const FIELD_BYTES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/**
 * Pages by the chain of directories, which a damaged file may close to a ring. A field with more values than the file has
 * bytes is refused here: the library would try to read them one by one.
 */
function countPages(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = bytes[0] === 0x49;
  const version = view.getUint16(2, isLittle);
  if (version !== 42 && version !== 43) throw new Error('it is no TIFF file');
  const isBig = version === 43;
  const wide = (at: number): number =>
    isBig ? Number(view.getBigUint64(at, isLittle)) : view.getUint32(at, isLittle);
  const seen = new Set<number>();
  let at = wide(isBig ? 8 : 4);
  while (at !== 0) {
    if (seen.has(at)) throw new Error('its directories form an endless ring');
    seen.add(at);
    const entries = isBig ? Number(view.getBigUint64(at, isLittle)) : view.getUint16(at, isLittle);
    const [first, step] = isBig ? [at + 8, 20] : [at + 2, 12];
    if (entries * step > bytes.length) throw new Error(`a directory claims ${entries} fields`);
    for (let entry = first; entry < first + entries * step; entry += step) {
      const size = FIELD_BYTES[view.getUint16(entry + 2, isLittle)] ?? 0;
      const count = wide(entry + 4);
      if (count * size > bytes.length) throw new Error(`a field claims ${count} values`);
    }
    at = wide(first + entries * step);
  }
  if (seen.size === 0) throw new Error('it has no image');
  return seen.size;
}

/** Tiles or strips that the sizes ask for and the file does not list would be looked for one by one. */
async function checkBlocks(image: GeoTIFFImage): Promise<void> {
  const [width, height] = [image.getTileWidth(), image.getTileHeight()];
  const across = Math.ceil(image.getWidth() / width);
  const down = Math.ceil(image.getHeight() / height);
  const directory = image.getFileDirectory();
  const planar: unknown = await directory.loadValue('PlanarConfiguration');
  const wanted = across * down * (planar === 2 ? image.getSamplesPerPixel() : 1);
  const offsets = ((await directory.loadValue('TileOffsets')) ??
    (await directory.loadValue('StripOffsets'))) as ArrayLike<number> | number | undefined;
  const listed = typeof offsets === 'number' ? 1 : (offsets?.length ?? 0);
  if (!(wanted <= listed)) throw new Error(`it lists ${listed} of ${wanted} tiles or strips`);
}

/** Up to so many values nobody asks whether the file can hold them. */
const SMALL = 2 ** 26;
/** No packing in use shrinks by more. */
const MAX_RATIO = 5000;
