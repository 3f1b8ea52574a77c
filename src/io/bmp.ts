import { DataError } from '../core/errors.js';
import { checkSize, type RawImage } from './raw.js';

/**
 * Reads an uncompressed Windows bitmap of 8 (palette), 24 or 32 bits. Grey palettes give one channel, others and true
 * colour red, green, blue; the fourth byte of 32 bits is unused by the format's definition and left out.
 *
 * @throws DataError naming `where`
 */
export function readBmp(bytes: Uint8Array, where: string): RawImage {
  const fail = (what: string): never => {
    throw new DataError(`${where} ${what}`, { where, fix: 'save it again as PNG or TIFF' });
  };
  if (bytes.length < 54) fail('is cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = view.getUint32(10, true);
  const headerSize = view.getUint32(14, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  if (headerSize < 40) fail('has an OS/2 header, which is not read');
  checkSize([height, width, 3], where);
  if (![8, 24, 32].includes(bits) || (compression !== 0 && !(compression === 3 && bits === 32)))
    fail(`has ${bits} bits with compression ${compression}; uncompressed 8, 24 and 32 bits are read`);
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  if (start + rowBytes * height > bytes.length)
    fail(`is cut short: ${bytes.length - start} of ${rowBytes * height} bytes of pixels are there`);
  const palette = bits === 8 ? paletteOf(view, 14 + headerSize, start) : undefined;
  const isGrey = palette?.every(([b, g, r]) => b === g && g === r) ?? false;
  const samples = isGrey ? 1 : 3;
  const data = new Uint8Array(height * width * samples);
  for (let y = 0, out = 0; y < height; y++) {
    const row = start + rowBytes * (signedHeight < 0 ? y : height - 1 - y);
    for (let x = 0; x < width; x++, out += samples) {
      const at = row + (x * bits) / 8;
      const index = bytes[at] as number;
      const [b, g, r] = palette?.[index] ?? [index, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
      if (palette !== undefined && palette[index] === undefined)
        fail(`has no colour ${index} in its palette`);
      if (isGrey) data[out] = b;
      else data.set([r, g, b], out);
    }
  }
  const isColour = samples === 3;
  return { shape: [height, width, samples], axes: 'yxs', data, range: [0, 255], isColour };
}

function paletteOf(view: DataView, from: number, to: number): [b: number, g: number, r: number][] {
  const colours = view.getUint32(46, true);
  const count = Math.min(
    colours === 0 ? 256 : colours,
    256,
    Math.floor((Math.min(to, view.byteLength) - from) / 4),
  );
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const at = from + i * 4;
    return [view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2)];
  });
}
