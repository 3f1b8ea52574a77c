import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { encode } from 'fast-png';
import type { PartialError } from '../../src/core/errors.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { segmentFiles, segmentJob } from '../../src/jobs/segment.js';
import { listImages, readBoxes, sortOut } from '../../src/jobs/segmentInputs.js';
import { equalNeighbours } from '../../src/jobs/segmentMasks.js';
import { shippedModel } from '../../src/weights/shippedModel.js';
import { diskField } from '../support/diskField.js';
import { temporaryFolder } from '../support/temporary.js';

const side = 100;
const field = Uint8Array.from(diskField(side, side).data);
const disks = field.map((value) => (value > 100 ? 255 : 0));
const png = (data: Uint8Array): Uint8Array => encode({ width: side, height: side, channels: 1, data });

/** An uncompressed grey image of 8 bits, rows from the bottom; its width is a multiple of 4. */
function bmp(data: Uint8Array): Buffer {
  const head = Buffer.alloc(54 + 1024);
  head.write('BM');
  for (const [
    at,
    value,
  ] of [[2, head.length + data.length], [10, head.length], [14, 40], [18, side], [22, side], [34, data.length], [46, 256]] as const) // biome-ignore format: a table
    head.writeUInt32LE(value, at);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(8, 28);
  for (let grey = 0; grey < 256; grey++) head.fill(grey, 54 + 4 * grey, 57 + 4 * grey);
  const rows = Array.from({ length: side }, (_, y) =>
    data.subarray((side - 1 - y) * side, (side - y) * side),
  );
  return Buffer.concat([head, ...rows]);
}

async function folderOf(files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const folder = temporaryFolder();
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  return folder;
}

const job = (inputs: readonly string[]) =>
  segmentJob.parse({ model: shippedModel, inputs, out: join(temporaryFolder(), 'out') });

describe('masks in a folder of images', () => {
  test('that have the images’ names are left out, and one line says which', async () => {
    const folder = await folderOf({ '001.bmp': bmp(field), '001.png': png(disks), '002.bmp': bmp(field), '002.png': png(disks) }); // biome-ignore format: a table
    const events: JobEvent[] = [];
    const { images } = await segmentFiles(job([folder]), { emit: (event) => events.push(event) });
    expect(images.map(({ path }) => path)).toEqual([join(folder, '001.bmp'), join(folder, '002.bmp')]);
    expect(events.filter(({ kind }) => kind === 'note')).toEqual([
      {
        kind: 'note',
        message: `2 files look like masks of the images beside them and are left out: ${join(folder, '001.png')}, ${join(folder, '002.png')}; name files, or a pattern such as *.png, to segment them too`,
      },
    ]);
  });

  test('and those with an ending of their own; a mask that is named is segmented', async () => {
    const folder = await folderOf({ 'a.png': png(field), 'a_mask.png': png(disks) });
    const mask = join(folder, 'a_mask.png');
    expect(await listImages([folder])).toEqual({ paths: [join(folder, 'a.png')], masks: [mask] });
    expect(await listImages([folder, mask])).toEqual({ paths: [join(folder, 'a.png'), mask], masks: [] });
    expect((await listImages([join(folder, '*.png')])).paths).toHaveLength(2);
  });

  test('a copy of an image in another format is no mask: the second is named, and how images are named', async () => {
    const folder = await folderOf({ '001.bmp': bmp(field), '001.png': png(field) });
    const { paths, masks } = await listImages([folder]);
    expect([paths.length, masks]).toEqual([2, []]);
    const { problems } = await sortOut(paths, { save: ['tiff'], overwrite: false });
    expect(problems).toEqual([
      {
        where: join(folder, '001.png'),
        message: expect.stringContaining(`name the images only, e.g. ${join(folder, '*.bmp')}`),
      },
    ]);
  });

  test('equal neighbours are counted along rows, in all channels', () => {
    const image = { height: 2, width: 3, range: [0, 9] as const };
    const grey = { ...image, channels: ['grey'], data: Float32Array.of(1, 1, 2, 3, 3, 3) };
    expect(equalNeighbours(grey)).toBe(0.75);
    const two = { ...image, channels: ['a', 'b'], data: Float32Array.of(1, 0, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3) };
    expect(equalNeighbours(two)).toBe(0.75);
    expect(equalNeighbours({ ...grey, width: 1, data: Float32Array.of(1, 2) })).toBe(1);
  });
});

describe('files of microscopes in a folder', () => {
  test('are named with the reason that they have when they are given by name, and the rest is done', async () => {
    const folder = await folderOf({ 'a.png': png(field), 'b.czi': 'ZISRAWFILE', 'notes.txt': '' });
    const failed = async (input: string) => {
      const error = await segmentFiles(job([input]), { emit: silent }).catch((thrown: unknown) => thrown);
      return (error as PartialError).problems;
    };
    const problems = await failed(folder);
    expect(problems).toEqual([
      { where: join(folder, 'b.czi'), message: expect.stringContaining("vendor's own format .czi") },
    ]);
    expect(problems).toEqual(await failed(join(folder, 'b.czi')));
  });

  test('stand back where an image of their name lies beside them: they were converted', async () => {
    const folder = await folderOf({ 'b.czi': '', 'b.ome.tif': '', 'c.lif': '' });
    await mkdir(join(folder, 'deeper.nd2x'));
    expect((await listImages([folder])).paths).toEqual([join(folder, 'b.ome.tif'), join(folder, 'c.lif')]);
  });
});

test('what is named and missing is told before anything is computed, and boxes of the wrong form with their place', async () => {
  const folder = await folderOf({
    'a.png': png(field),
    'boxes.json': '{"a.png": [[1, 2, 3]]}',
    'list.json': '[]',
  });
  const [there, missing] = [join(folder, 'a.png'), join(folder, 'b.png')];
  await expect(listImages([there, missing])).rejects.toThrow(`there is no file or folder ${missing}`);
  await expect(listImages([join(folder, '*.tif')])).rejects.toThrow('no images found');
  await expect(readBoxes(join(folder, 'boxes.json'))).rejects.toThrow(
    /box 1 of a\.png must have 4 or more entries/,
  );
  await expect(readBoxes(join(folder, 'list.json'))).rejects.toThrow(/what it holds must be a map/);
});
