import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decode } from 'fast-png';
import { fromFile } from 'geotiff';
import { outlineMask } from '../../../src/image/draw.js';
import { outputNames, outputPath, saveOutputs } from '../../../src/segment/outputs/outputs.js';
import { emptyField, field } from './field.js';

const fixtures = resolve('test/fixtures/outputs');
let folder = '';
const full = field();

describe('the outputs of segment', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'outputs-'));
    await saveOutputs({ ...full, fileName: 'field.tif' }, 'field.tif', outputNames, { folder });
    await saveOutputs({ ...emptyField(), fileName: 'none.tif' }, 'none.tif', outputNames, { folder });
  });
  afterAll(async () => rm(folder, { recursive: true, force: true }));

  // The fixtures were read back by tifffile, roifile, shapely, pycocotools, numpy and zarr: scripts/fixtures/outputs.py
  test.each(['geojson', 'coco', 'csv', 'npy', 'rois'] as const)(
    '%s is, byte for byte, the file that Python read',
    async (name) => {
      for (const stem of ['field', 'none']) {
        const path = outputPath(`${stem}.tif`, name, folder);
        const known = await readFile(outputPath(`${stem}.tif`, name, fixtures));
        expect((await readFile(path)).equals(known)).toBe(true);
      }
    },
  );

  test('the label TIFF holds the labels', async () => {
    const image = await (await fromFile(outputPath('field.tif', 'tiff', folder))).getImage();
    const [labels] = await image.readRasters();
    expect([...(labels as Uint16Array)]).toEqual([...full.cells.labels.data]);
    expect(image.getBitsPerSample()).toBe(16);
  });

  test('the outline image is the outline mask', async () => {
    const image = decode(await readFile(outputPath('field.tif', 'outlines', folder)));
    expect([...image.data]).toEqual([...outlineMask(full.cells.labels)].map((v) => v * 255));
  });

  test('the Zarr chunk holds the labels', async () => {
    const chunk = inflateSync(
      await readFile(join(outputPath('field.tif', 'zarr', folder), 'labels/cells/0/0/0')),
    );
    expect([...new Uint32Array(Uint8Array.from(chunk).buffer)]).toEqual([...full.cells.labels.data]);
  });

  test('where one output cannot be written, none is', async () => {
    const other = join(folder, 'none');
    const broken = { ...full, image: { ...full.image, channels: new Proxy([], { get: () => { throw new RangeError('no channels'); } }) } }; // biome-ignore format: one
    const save = saveOutputs({ ...broken, fileName: 'field.tif' }, 'field.tif', ['tiff', 'csv'], {
      folder: other,
    });
    await expect(save).rejects.toThrow('no channels');
    expect(await readdir(other)).toEqual([]);
    await rm(other, { recursive: true });
  });

  test('existing files are kept unless overwriting is allowed, and no temporary file stays', async () => {
    const input = { ...full, fileName: 'field.tif' };
    await expect(saveOutputs(input, 'field.tif', ['csv'], { folder })).rejects.toThrow('exists already');
    const written = await saveOutputs(input, 'field.tif', outputNames, { folder, mayOverwrite: true });
    expect(written).toHaveLength(outputNames.length);
    expect(await readdir(folder)).toHaveLength(2 * outputNames.length);
  });
});
