import { appendFile, copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { encode } from 'fast-png';
import { verb } from '../../src/cli/verbs/segment.js';
import { OutputError } from '../../src/core/errors.js';
import { type JobEvent, silent } from '../../src/core/events.js';
import { segmentFiles, segmentJob } from '../../src/jobs/segment.js';
import { RECORD, readRecord } from '../../src/jobs/segmentRecord.js';
import { differences, idOf } from '../../src/jobs/segmentSettings.js';
import { shippedModel } from '../../src/weights/shippedModel.js';
import { diskField } from '../support/diskField.js';
import { temporaryFolder } from '../support/temporary.js';

const folder = temporaryFolder();
const images = ['a.png', 'b.png'].map((name) => join(folder, name));
const job = (out: string, more: object = {}) =>
  segmentJob.parse({ model: shippedModel, inputs: images, out: join(folder, out), save: ['csv'], ...more });
const run = (out: string, more: object = {}) => segmentFiles(job(out, more), { emit: silent });
const failureOf = (out: string, more: object): Promise<OutputError> =>
  run(out, more).then(
    () => Promise.reject(new Error('it was not refused')),
    (thrown) => thrown,
  );

beforeAll(async () => {
  const { data, height, width } = diskField(96, 96);
  const png = encode({ width, height, channels: 1, data: Uint8Array.from(data) });
  for (const path of images) await writeFile(path, png);
});

const source = { path: 'a.png', bytes: 1, modified: 2 };

describe('results that are there', () => {
  test('by the same settings they are skipped, and the line says how they are made again', async () => {
    const first = await run('same');
    expect(first.images.map(({ path }) => path)).toEqual(images);
    const record = await readFile(join(folder, 'same', RECORD), 'utf8');
    await run('same', { overwrite: true });
    expect(await readFile(join(folder, 'same', RECORD), 'utf8')).toBe(record); // nothing new to tell
    const again = await run('same');
    expect([again.images, again.skipped, again.uncompared]).toEqual([[], images, []]);
    expect(verb.render(again)).toMatch(
      /^0 images, 0 cells, .* s; there already, not counted: 2 by the same settings \(--overwrite makes them again\)$/,
    );
  });

  test('of another image of that name, or of this one before it changed, they are not taken for this one', async () => {
    const [one, other] = [join(folder, 'one'), join(folder, 'two')];
    const out = join(folder, 'of-others');
    const asked = (inputs: string[]) => segmentFiles({ ...job('of-others'), inputs }, { emit: silent });
    for (const [place, from] of [
      [one, images[0]],
      [other, images[0]],
    ] as const) {
      await mkdir(place);
      await copyFile(from as string, join(place, 'x.png'));
    }
    const bright = encode({ width: 96, height: 96, channels: 1, data: new Uint8Array(96 * 96).fill(200) });
    await asked([join(one, 'x.png')]);
    expect((await asked([join(other, 'x.png')])).skipped).toHaveLength(1); // the same content
    await writeFile(join(other, 'x.png'), bright);
    await expect(asked([join(other, 'x.png')])).rejects.toMatchObject({
      problems: [
        { where: join(other, 'x.png'), message: expect.stringMatching(/comes from another image, .*one/) },
      ],
    });
    await writeFile(join(one, 'x.png'), bright);
    await expect(asked([join(one, 'x.png')])).rejects.toMatchObject({
      problems: [
        { where: join(one, 'x.png'), message: expect.stringContaining('this image as it was before') },
      ],
    });
    expect((await readdir(out)).filter((name) => name.endsWith('.csv'))).toHaveLength(1);
  });

  test('by other settings they are refused, with what differs, and stay as they are', async () => {
    await run('other', { images: { pixelSizeUm: 0.65 } });
    const path = join(folder, 'other', 'a_measurements.csv');
    const before = await readFile(path, 'utf8');
    const more = { images: { pixelSizeUm: 0.1 }, segment: { boxThreshold: 0.9 } };
    const failure = await failureOf('other', more);
    expect(failure).toBeInstanceOf(OutputError);
    expect(failure.message).toContain('2 of 2 images have results in');
    expect(failure.problems).toEqual([
      { where: '--pixel-size', message: '0.65 -> 0.1' },
      { where: '--box-threshold', message: 'not given -> 0.9' },
    ]);
    expect(failure.fix).toMatch(/--overwrite .* --out/);
    expect(await readFile(path, 'utf8')).toBe(before);
    await run('other', { ...more, overwrite: true });
    expect(await readFile(path, 'utf8')).not.toBe(before);
    expect((await run('other', more)).skipped).toEqual(images); // now these are its settings
  });

  test('another output of the same images by other settings is refused too; with overwrite what remains is named', async () => {
    await run('mixed', { save: ['tiff'] });
    const more = { save: ['csv'], segment: { boxThreshold: 0.9 } };
    expect((await failureOf('mixed', more)).problems[0]?.where).toBe('--box-threshold');
    const events: JobEvent[] = [];
    await segmentFiles(job('mixed', { ...more, overwrite: true }), { emit: (event) => events.push(event) });
    const [warning] = events.filter(({ kind }) => kind === 'warning');
    expect(warning).toMatchObject({
      message: expect.stringMatching(
        /^2 files .* remain from other settings \(--box-threshold not given -> 0.9\): .*a_masks.tif/,
      ),
    });
    await run('mixed', { ...more, save: ['tiff', 'csv'], overwrite: true });
  });

  test('another model, or other boxes in the same file, is another setting; a copy of a file is not', async () => {
    const boxes = join(folder, 'boxes.json');
    const table = (side: number) =>
      JSON.stringify(Object.fromEntries(images.map((path) => [path, [[5, 5, side, side]]])));
    await writeFile(boxes, table(30));
    await run('files', { boxes });
    const copy = join(folder, 'copy.json');
    await writeFile(copy, table(30));
    expect((await run('files', { boxes: copy })).skipped).toEqual(images);
    await writeFile(boxes, table(40));
    const [problem] = (await failureOf('files', { boxes })).problems;
    expect(problem?.message).toMatch(/^boxes.json \([0-9a-f]{8}\) -> boxes.json \([0-9a-f]{8}\)$/);
    const model = { name: 'a', sha256: '1' };
    expect(differences([{ model }], { model: { name: 'a', sha256: '2' } })[0]?.where).toBe('--model');
    expect(differences([{ model }], { model: { name: 'b', sha256: '1' } })).toEqual([]);
  });

  test('without a record they are skipped, and the line says so', async () => {
    await run('old');
    await rm(join(folder, 'old', RECORD));
    const again = await run('old', { segment: { boxThreshold: 0.9 } });
    expect(again.uncompared).toEqual(images);
    expect(verb.render(again)).toContain('2 by settings that are not known');
  });

  test('results that were removed do not count', async () => {
    await run('removed');
    for (const name of await readdir(join(folder, 'removed')))
      if (name.endsWith('_measurements.csv')) await rm(join(folder, 'removed', name));
    expect((await run('removed', { segment: { boxThreshold: 0.9 } })).images).toHaveLength(2);
  });
});

describe('the record of a folder', () => {
  test('of two lines about a file the later one holds; an unfinished line spoils neither itself nor the next', async () => {
    const own = temporaryFolder();
    const facts = { cells: 1, medianAreaPx: 9, meanScore: 0.5, boxThreshold: 0.4, zoom: null };
    await (await readRecord(own)).add(
      { image: 'a.png', files: [join(own, 'a_masks.tif')], facts, source },
      { zoom: 1 },
    );
    await (await readRecord(own)).add(
      { image: 'b.png', files: [join(own, 'b_masks.tif')], facts, source },
      { zoom: 1 },
    );
    await appendFile(join(own, RECORD), '{"image":"c.png","fil');
    await (await readRecord(own)).add(
      { image: 'a.png', files: [join(own, 'a_masks.tif')], facts: { ...facts, cells: 7 }, source },
      { zoom: 2 },
    );
    const record = await readRecord(own);
    expect(['a_masks.tif', 'b_masks.tif', 'c_masks.tif'].map((file) => record.settingsOf(file))).toEqual([
      { zoom: 2 },
      { zoom: 1 },
      undefined,
    ]);
    expect(record.results().map(({ image, facts: { cells } }) => [image, cells])).toEqual([
      ['a.png', 7],
      ['b.png', 1],
    ]);
  });

  test('a result is told again where one of its files was made by others meanwhile', async () => {
    const own = temporaryFolder();
    const facts = { cells: 1, medianAreaPx: 9, meanScore: 0.5, boxThreshold: 0.4, zoom: null };
    const record = await readRecord(own);
    await record.add(
      { image: 'a.png', files: ['a_masks.tif', 'a_cells.geojson'], facts, source },
      { zoom: 1 },
    );
    await record.add({ image: 'a.png', files: ['a_cells.geojson'], facts, source }, { zoom: 2 });
    await record.add(
      { image: 'a.png', files: ['a_masks.tif', 'a_cells.geojson'], facts, source },
      { zoom: 1 },
    );
    expect((await readRecord(own)).settingsOf('a_cells.geojson')).toEqual({ zoom: 1 });
  });

  test('settings of an option that a version did not know are not told to differ', () => {
    expect(differences([{ zoom: 1 }], { zoom: 1, later: true })).toEqual([]);
    expect(idOf({ a: 1, b: 2 })).toBe(idOf({ b: 2, a: 1 }));
  });
});
