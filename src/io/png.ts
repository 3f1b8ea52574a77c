import { DataError, reason } from '../core/errors.js';
import { inflatePng } from './pngInflate.js';

/** Pixels as the file holds them: colour-index images give indices, never colours. */
export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly depth: number;
  readonly data: Uint8Array | Uint8ClampedArray | Uint16Array;
  readonly isIndexed: boolean;
}

/** A larger image is refused before anything is allocated. */
const MAX_PIXELS = 2 ** 28;
/** Colour types of the header that sharp would not keep as they are. */
const COLOUR_INDEX = 3;
const GREY_AND_ALPHA = 4;
const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Decodes a PNG of 8 or 16 bits without changing a value. @throws DataError when it is no sound PNG, or hostile */
export async function readPng(bytes: Uint8Array, where: string): Promise<PngImage> {
  if (bytes.length === 0) throw new DataError(`${where} is empty`, { where, fix: 'copy the file again' });
  if (bytes.length < 33 || SIGNATURE.some((b, i) => bytes[i] !== b))
    throw new DataError(`${where} is not a PNG file`, { where });
  const header = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [header.getUint32(16), header.getUint32(20)];
  if (width * height > MAX_PIXELS) {
    throw new DataError(`${where} claims ${width} x ${height} pixels`, {
      where,
      fix: 'cut it into tiles, or save it as a tiled TIFF',
    });
  }
  const usual = inflated(bytes);
  if (usual !== undefined) return usual;
  const { decode } = await import('fast-png');
  try {
    const png = decode(bytes, { checkCrc: true });
    const isIndexed = png.palette !== undefined;
    return { width, height, channels: png.channels, depth: png.depth, data: unpack(png), isIndexed };
  } catch (thrown) {
    const second = await readWithSharp(bytes).catch(() => undefined);
    if (second !== undefined) return second;
    throw new DataError(`${where} cannot be read: ${wholeReason(thrown)}`, {
      where,
      fix: 'the file is damaged; copy or save it again',
      cause: thrown,
    });
  }
}

/** fast-png reads on past the end of a file, ends some of its sentences with a colon and gives the rest as their cause. */
function wholeReason(thrown: unknown): string {
  if ((thrown as Error).name === 'RangeError') return 'it is cut short';
  const [text, ...causes] = [thrown, (thrown as { readonly cause?: unknown }).cause].map((each) =>
    each === undefined || each === '' ? '' : reason(each),
  );
  return [text?.replace(/:$/, ''), ...causes.filter((cause) => cause !== '')].join(': ');
}

/** Nothing for a kind of file that only the slower readers know, and for a damaged one: they tell what is wrong. */
function inflated(bytes: Uint8Array): PngImage | undefined {
  try {
    return inflatePng(bytes);
  } catch {
    return undefined;
  }
}

/**
 * fast-png rejects some sound files (seen: one of the Data Science Bowl's). sharp reads them, exactly, when the colour space
 * is set; not those with a palette or with grey and alpha, which it would change.
 */
async function readWithSharp(bytes: Uint8Array): Promise<PngImage | undefined> {
  const { default: sharp } = await import('sharp');
  const image = sharp(bytes, { failOn: 'error' });
  if (bytes[25] === COLOUR_INDEX || bytes[25] === GREY_AND_ALPHA) return undefined;
  const { width, height, channels, depth } = await image.metadata();
  const isDeep = depth === 'ushort';
  const space = channels === 1 ? (isDeep ? 'grey16' : 'b-w') : isDeep ? 'rgb16' : 'srgb';
  const raw = await image
    .toColourspace(space)
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer();
  const data = isDeep ? new Uint16Array(raw.buffer, raw.byteOffset, raw.length / 2) : new Uint8Array(raw);
  return { width, height, channels, depth: isDeep ? 16 : 8, data, isIndexed: false };
}

/** One value a pixel for depths below 8 bits, whose rows come packed. */
function unpack(png: {
  width: number;
  height: number;
  depth: number;
  channels: number;
  data: PngImage['data'];
}): PngImage['data'] {
  if (png.depth >= 8) return png.data;
  const perByte = 8 / png.depth;
  const rowBytes = Math.ceil(png.width / perByte);
  const mask = (1 << png.depth) - 1;
  const out = new Uint8Array(png.width * png.height);
  for (let y = 0; y < png.height; y++) {
    for (let x = 0; x < png.width; x++) {
      const byte = png.data[y * rowBytes + Math.floor(x / perByte)] as number;
      out[y * png.width + x] = (byte >> (8 - png.depth * ((x % perByte) + 1))) & mask;
    }
  }
  return out;
}

/** Encodes grey (1) or RGB (3) pixels of 8 or 16 bits. */
export async function writePng(image: {
  width: number;
  height: number;
  channels: number;
  data: Uint8Array | Uint16Array;
}): Promise<Uint8Array> {
  const { encode } = await import('fast-png');
  const { width, height, channels, data } = image;
  return encode({ width, height, channels, data, depth: data instanceof Uint16Array ? 16 : 8 });
}
