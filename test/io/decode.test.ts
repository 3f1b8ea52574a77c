import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from '@jest/globals';
import { readPixelImage } from '../../src/data/readImage.js';
import { decodeFile } from '../../src/io/decode.js';

const folder = mkdtempSync(join(tmpdir(), 'cellsam-decode-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, bytes: Uint8Array): string => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};

/** An npy file of version 1. */
function npy(descr: string, shape: string, data: Uint8Array, order = 'False'): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;
  const length = Buffer.from([header.length & 255, header.length >> 8]);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), data]);
}

/** A TIFF whose only directory, without entries, names itself as the next one. */
const RING = Buffer.from([0x49, 0x49, 42, 0, 8, 0, 0, 0, 0, 0, 8, 0, 0, 0]);
const HUGE_PNG = Buffer.alloc(40);
HUGE_PNG.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
HUGE_PNG.writeUInt32BE(100_000, 16);
HUGE_PNG.writeUInt32BE(100_000, 20);

/** Sound but for its compressed data. */
const DAMAGED_PNG = pngOf(8, 8, Buffer.from([0x78, 0x9c, 0xff, 0xff, 0xff, 0xff]));

/** Grey, 8 bits, of these packed rows. */
function pngOf(width: number, height: number, packed: Uint8Array): Uint8Array {
  const chunk = (name: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 0], 8);
  return Buffer.concat([
    HUGE_PNG.subarray(0, 8),
    chunk('IHDR', header),
    chunk('IDAT', packed),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

describe('damaged and hostile images end in one sentence that names the file', () => {
  test.each<readonly [name: string, bytes: Uint8Array, sentence: RegExp]>([
    ['empty.tif', new Uint8Array(0), /empty\.tif is empty/],
    ['ring.tif', RING, /ring\.tif cannot be read: .*endless ring/],
    ['cut.tif', RING.subarray(0, 9), /cut\.tif cannot be read/],
    ['huge.png', HUGE_PNG, /huge\.png claims 100000 x 100000 pixels/],
    ['cut.npy', npy('<u2', '(2, 2)', new Uint8Array(7)), /cut\.npy is cut short: 7 of 8 bytes/],
    ['object.npy', npy('|O', '(1,)', new Uint8Array(8)), /object\.npy the pickle is refused/],
    ['slide.czi', new Uint8Array(9), /vendor's own format/],
    [
      'words.png',
      Buffer.from('not a picture'),
      /it is no PNG inside, whatever its name says, it holds text$/,
    ],
    ['bytes.tif', Uint8Array.of(1, 2, 3), /it is no TIFF inside, whatever its name says$/],
    ['words.xyz', Buffer.from('not a picture'), /not read here: it holds text$/],
    ['short.png', DAMAGED_PNG.subarray(0, 39), /short\.png cannot be read: it is cut short/],
    ['damaged.png', DAMAGED_PNG, /damaged\.png cannot be read: Error while decompressing the data: \w/],
  ])('%s', async (name, bytes, sentence) => {
    await expect(decodeFile(file(name, bytes))).rejects.toThrow(sentence);
  });

  test('a pixel that is not a number is refused', async () => {
    const data = new Uint8Array(Float32Array.of(1, Number.NaN).buffer);
    await expect(readPixelImage(file('nan.npy', npy('<f4', '(1, 2)', data)))).rejects.toThrow(/not finite/);
  });
});

test('columns-first and big-endian arrays come in rows', async () => {
  const data = Uint8Array.of(0, 1, 0, 3, 0, 2, 1, 4);
  const { data: values } = await decodeFile(file('columns.npy', npy('>u2', '(2, 2)', data, 'True')));
  expect([...(values as Uint16Array)]).toEqual([1, 2, 3, 260]);
});

test('16-bit values of an npy come unchanged', async () => {
  const data = new Uint8Array(Uint16Array.of(1, 300, 65535, 0).buffer);
  const image = await readPixelImage(file('deep.npy', npy('<u2', '(2, 2)', data)));
  expect([...image.data]).toEqual([1, 300, 65535, 0]);
  expect(image.range).toEqual([0, 65535]);
});
