import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { encode } from 'fast-png';
import { OutputError, PartialError } from '../../src/core/errors.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { Random } from '../../src/core/random.js';
import { npyOf } from '../../src/io/npyWrite.js';
import { TiffWriter } from '../../src/io/tiff/write.js';
import { segmentFiles, segmentJob } from '../../src/jobs/segment.js';
import { RECORD } from '../../src/jobs/segmentRecord.js';
import { SUMMARY } from '../../src/jobs/segmentSummary.js';
import { CellSam } from '../../src/models/cellsam.js';
import { preset } from '../../src/models/presets.js';
import { openImage } from '../../src/segment/imageFile.js';
import { tf } from '../../src/tf/index.js';
import { saveModelFile } from '../../src/weights/modelFile.js';

let folder = '';
let weights = '';
const context = { emit: silent };
const job = (more: object) =>
  segmentJob.parse({ model: weights, inputs: [folder], out: join(folder, 'out'), ...more });

describe('segmenting files', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'segment-'));
    weights = join(folder, 'model.safetensors');
    const model = CellSam.create(preset('tiny'), new Random('job'));
    await saveModelFile(weights, model.toArrays(), {
      config: model.config,
      thresholds: { box: 0.5, boxShare: 1, meanShare: 0, iou: 0.5, mask: 0.5 },
      training: 'none',
      licence: 'none',
    });
    model.dispose();
    const random = new Random('pixels');
    const data = Uint8Array.from({ length: 60 * 50 }, () => random.integer(256));
    await writeFile(join(folder, 'a.png'), encode({ width: 60, height: 50, channels: 1, data }));
    await writeFile(join(folder, 'bad.tif'), 'not a TIFF');
    const tiff = await TiffWriter.create(join(folder, 'c.tif'), {
      height: 70,
      width: 40,
      bits: 16,
      tile: 16,
    });
    await tiff.writeImage(Uint16Array.from({ length: 2800 }, (_, i) => i * 7));
    await tiff.close();
  });
  afterAll(async () => rm(folder, { recursive: true, force: true }));

  test('a bad file is named with its reason, the rest is segmented, and the code is 10', async () => {
    const failure = await segmentFiles(job({ save: ['tiff', 'csv'] }), context).catch((e: unknown) => e);
    expect(failure).toBeInstanceOf(PartialError);
    expect((failure as PartialError).exitCode).toBe(10);
    expect((failure as PartialError).problems.map((p) => p.where)).toEqual([join(folder, 'bad.tif')]);
    const names = ['a_masks.tif', 'a_measurements.csv', 'c_masks.tif', 'c_measurements.csv', RECORD, SUMMARY];
    expect((await readdir(join(folder, 'out'))).sort()).toEqual(names);
  });

  test('images that are done are skipped, and nothing is overwritten', async () => {
    const path = join(folder, 'a.png');
    const before = await readFile(join(folder, 'out', 'a_masks.tif'));
    const again = await segmentFiles(job({ inputs: [path] }), context);
    expect(again.skipped).toEqual([path]);
    expect((await readFile(join(folder, 'out', 'a_masks.tif'))).equals(before)).toBe(true);
    await expect(segmentFiles(job({ inputs: [path], save: ['tiff', 'npy'] }), context)).rejects.toThrow(
      PartialError,
    );
  });

  test('images decoded in a thread give the same files, and what cannot be decoded there is told', async () => {
    const out = join(folder, 'threaded');
    const failure = await segmentFiles(job({ out, threads: 1 }), context).catch((e: unknown) => e);
    expect((failure as PartialError).problems.map((p) => p.message)).toEqual([
      expect.stringContaining('bad.tif is in a format that is not read here'),
    ]);
    for (const name of ['a_masks.tif', 'c_masks.tif'])
      expect((await readFile(join(out, name))).equals(await readFile(join(folder, 'out', name)))).toBe(true); // of the first test
  });

  test('given boxes become cells, found by the image’s name', async () => {
    const boxes = join(folder, 'boxes.json');
    await writeFile(boxes, JSON.stringify({ 'a.png': [[5, 5, 40, 40]] }));
    const config = job({ inputs: [join(folder, 'a.p*')], boxes, overwrite: true, segment: { minSize: 0 } });
    const { images } = await segmentFiles(config, context);
    expect(images.map(({ cells }) => cells <= 1)).toEqual([true]);
  });

  test('a TIFF is read back part by part, whatever its rows are written by', async () => {
    const path = join(folder, 'rows.tif.part');
    const writer = await TiffWriter.create(path, { height: 37, width: 29, bits: 32, tile: 16 });
    const pixels = Uint32Array.from({ length: 37 * 29 }, (_, i) => i);
    for (const [from, to] of [
      [0, 5],
      [5, 21],
      [21, 37],
    ] as const)
      await writer.writeRows(from, pixels.subarray(from * 29, to * 29));
    await writer.close();
    const { fromFile } = await import('geotiff');
    const [raster] = await (await (await fromFile(path)).getImage()).readRasters();
    expect([...(raster as Uint32Array)]).toEqual([...pixels]);
    const { image } = await openImage(join(folder, 'c.tif'));
    expect([image?.height, image?.width, image?.data[2799]]).toEqual([70, 40, 2799 * 7]);
    const parts = await openImage(join(folder, 'c.tif'), 1000);
    expect([parts.image, parts.source.height, parts.source.pixelSizeUm]).toEqual([undefined, 70, undefined]);
    const part = await parts.source.read({ x0: 10, y0: 20, x1: 40, y1: 70 });
    expect([part.height, part.width, part.data[0], part.data[1499]]).toEqual([50, 30, 810 * 7, 2799 * 7]);
    await parts.close();
  });

  test('two images whose results would have the same names: the second is named, with the first', async () => {
    const second = join(folder, 'other', 'a.png');
    await mkdir(join(folder, 'other'), { recursive: true });
    await copyFile(join(folder, 'a.png'), second);
    const out = join(folder, 'same-name');
    const inputs = [join(folder, 'a.png'), second];
    const failure = await segmentFiles(job({ inputs, out, overwrite: true }), context).catch(
      (e: unknown) => e,
    );
    expect((failure as PartialError).problems.map(({ where }) => where)).toEqual([second]);
    expect((failure as PartialError).problems[0]?.message).toContain(join(folder, 'a.png'));
    expect((await readdir(out)).sort()).toEqual(['a_masks.tif', RECORD]);
  });

  test('a folder whose run was stopped is gone on with at the image that was not done', async () => {
    const out = join(folder, 'stopped');
    const inputs = [join(folder, 'a.png'), join(folder, 'c.tif')];
    const save = ['tiff', 'csv', 'overlay'];
    const stop = new AbortController();
    const emit = (event: JobEvent) => {
      if (event.kind === 'progress' && event.unit === 'images') stop.abort();
    };
    const stopped = segmentFiles(job({ inputs, out, save }), { emit, signal: stop.signal });
    await expect(stopped).rejects.toThrow('stopped on request');
    const first = ['a_masks.tif', 'a_measurements.csv', 'a_overlay.png', RECORD];
    expect((await readdir(out)).sort()).toEqual(first);
    const { images, skipped } = await segmentFiles(job({ inputs, out, save }), context);
    expect([images.map(({ path }) => path), skipped]).toEqual([[inputs[1]], [inputs[0]]]);
  });

  test('channels are chosen by name or place, also in a thread, and the pixels’ size may be told', async () => {
    const path = join(folder, 'five.npy');
    const pixels = Float32Array.from({ length: 5 * 30 * 40 }, (_, i) => i % 251);
    await writeFile(path, npyOf(pixels, [30, 40, 5]));
    const [of5, of1] = [join(folder, 'five'), join(folder, 'one')];
    const asked = await segmentFiles(job({ inputs: [path], out: of5 }), context).catch((e: unknown) => e);
    expect((asked as PartialError).problems[0]?.message).toContain('which of the 5 channels');
    for (const threads of [0, 1]) {
      const images = { channels: { nuclear: 1, 'whole-cell': 4 }, pixelSizeUm: 0.5 };
      const config = job({ inputs: [path], out: of1, overwrite: true, threads, images });
      expect((await segmentFiles(config, context)).images).toHaveLength(1);
      const { image } = await openImage(join(of1, 'five_masks.tif'));
      expect(image?.pixelSizeUm?.map((v) => Number(v.toFixed(6)))).toEqual([0.5, 0.5]);
    }
  });

  test('a place for results that cannot be written to is told once, before any image is computed', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    for (const out of [file, '/proc/cellsam-none/out']) {
      const events: JobEvent[] = [];
      const config = job({ inputs: [join(folder, 'a.png')], out });
      const failure = await segmentFiles(config, { emit: (event) => events.push(event) }).catch((e) => e);
      expect(failure).toBeInstanceOf(OutputError);
      expect(failure.exitCode).toBe(7);
      expect([failure.where, failure.fix]).toEqual([
        out === file ? file : '/proc/cellsam-none',
        expect.stringContaining('--out'),
      ]);
      expect(events).toEqual([]);
    }
  });

  test('tiles that cannot be right are refused once, before any image is computed', async () => {
    const inputs = [join(folder, 'a.png'), join(folder, 'c.tif')];
    for (const [segment, where] of [
      [{ tile: 3 }, '--tile'],
      [{ overlap: 9999 }, '--overlap'],
    ] as const) {
      const config = job({ inputs, out: join(folder, 'tiles'), segment });
      await expect(segmentFiles(config, context)).rejects.toMatchObject({ exitCode: 2, where });
    }
  });

  test('many images in one process leave no tensor behind', async () => {
    const before = tf.memory().numTensors;
    const inputs = [join(folder, 'a.png'), join(folder, 'c.tif')];
    for (let i = 0; i < 3; i++) await segmentFiles(job({ inputs, overwrite: true }), context);
    expect(tf.memory().numTensors).toBe(before);
  });
});
