import { expect, test } from '@jest/globals';
import { decode, encode } from 'fast-png';
import sharp from 'sharp';
import { Random } from '../../src/core/random.js';
import { inflatePng } from '../../src/io/pngInflate.js';

const random = new Random('png');
const noise = (length: number, high: number) => Array.from({ length }, () => random.integer(high));

test.each([1, 2, 3, 4])('8 bits and %i channels: the values that were written', (channels) => {
  const data = Uint8Array.from(noise(7 * 5 * channels, 256));
  expect(inflatePng(encode({ width: 7, height: 5, channels, data }))?.data).toEqual(data);
});

test('16 bits: the values that were written', () => {
  const data = Uint16Array.from(noise(7 * 5, 65536));
  const bytes = encode({ width: 7, height: 5, channels: 1, depth: 16, data });
  expect(inflatePng(bytes)?.data).toEqual(data);
});

test('every filter that libpng chooses is undone as fast-png does', async () => {
  const smooth = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i >> 3) + random.integer(9));
  const raw = { width: 64, height: 48, channels: 3 as const };
  const bytes = await sharp(smooth, { raw }).png({ adaptiveFiltering: true }).toBuffer();
  expect([...(inflatePng(bytes)?.data ?? [])]).toEqual([...decode(bytes).data]);
});

test('a changed byte, a cut and an interlaced file are not decoded', async () => {
  const bytes = encode({ width: 9, height: 9, channels: 1, data: Uint8Array.from(noise(81, 256)) });
  const changed = bytes.slice();
  changed[50] = 255 - (changed[50] as number);
  expect(() => inflatePng(changed)).toThrow(/checksum/);
  expect(() => inflatePng(bytes.subarray(0, 60))).toThrow(/longer than the file|ends before/);
  const raw = { width: 9, height: 9, channels: 1 as const };
  const woven = await sharp(Uint8Array.from(noise(81, 256)), { raw })
    .png({ progressive: true })
    .toBuffer();
  expect(inflatePng(woven)).toBeUndefined();
});
