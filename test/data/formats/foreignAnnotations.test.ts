import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { formatNamed } from '../../../src/data/formats/formats.js';
import { recogniseLayout } from '../../../src/data/formats/recognise.js';
import type { Sample } from '../../../src/data/sample.js';

const root = 'test/fixtures/formats';
const json = (name: string) => JSON.parse(readFileSync(`${root}/${name}.json`, 'utf8')) as unknown;
const truth = json('truth') as { labels: number[][]; grey: number[][] };
const labels = truth.labels.flat();
const grey = truth.grey.flat();

async function readAll(folder: string, options: Record<string, unknown> = {}) {
  const layout = await recogniseLayout(`${root}/${folder}`);
  const format = await formatNamed(layout.type, { ...layout.options, ...options });
  const refs = await format.list(`${root}/${folder}`);
  const samples: Sample[] = [];
  for (const ref of refs) samples.push(await format.read(`${root}/${folder}`, ref));
  return { type: layout.type, refs, samples };
}

const idsOf = (sample: Sample | undefined): number[] =>
  sample?.instances.kind === 'labels' ? [...sample.instances.labels.data] : [];

describe('layouts without a real set, written by their own libraries, are recognised and give the drawn objects', () => {
  test.each([
    ['coco', 'coco', 2],
    ['geojson', 'geojson', 1],
    ['labelme', 'labelme', 1],
    ['roiZip', 'roiZip', 1],
    ['segNpy', 'maskPairs', 1],
    ['omeZarr', 'omeZarr', 1],
    ['nnunet', 'maskPairs', 1],
    ['npzArrays', 'npzArrays', 2],
    ['cellsamFolders', 'cellsamFolders', 3],
  ])('%s as %s', async (folder, type, images) => {
    const found = await readAll(folder);
    expect([found.type, found.refs.length]).toEqual([type, images]);
    const drawn = found.samples.filter(({ objectCount }) => objectCount > 0);
    for (const sample of drawn) {
      expect(sample.objectCount).toBe(4);
      expect(idsOf(sample)).toEqual(labels);
    }
    const [first] = drawn as [Sample];
    const named = Math.max(0, first.image.channels.indexOf('nuclear'));
    const values = grey.map((_, i) => first.image.data[i * first.image.channels.length + named]);
    expect(values).toEqual(grey);
  });

  test.each(['cellpose', 'omnipose', 'stardist', 'deepbacs', 'yeaz', 'neurips', 'qupath'])(
    "the spelling of %s's pairs",
    async (name) => {
      const { type, samples } = await readAll(`spellings/${name}`);
      expect(type).toBe('maskPairs');
      expect(samples.map(idsOf)).toEqual([labels]);
    },
  );
});

describe('what layouts tell besides', () => {
  test('COCO: crowds are left out and told, an image without objects has none', async () => {
    const { samples } = await readAll('coco');
    expect(samples.map(({ id }) => id)).toEqual(['images/empty.png', 'images/field.png']);
    expect(samples[0]?.objectCount).toBe(0);
    expect(samples[1]?.warnings).toEqual(['1 crowd regions are left out: they are no single objects']);
  });

  test('COCO: free polygons agree with pycocotools to a pixel at the edge', async () => {
    const { samples } = await readAll('cocoPolygons');
    const masks = json('cocoPolygons.masks') as number[][][];
    const ids = idsOf(samples[0]);
    for (const [k, mask] of masks.entries()) {
      const theirs = mask.flat();
      const both = theirs.filter((on, i) => on === 1 && ids[i] === k + 1).length;
      const either = theirs.filter((on, i) => on === 1 || ids[i] === k + 1).length;
      expect(both / either).toBeGreaterThan(0.8); // they widen by half a pixel; an area of 60 to 100 px
    }
  });

  test('points and lines among outlines are told', async () => {
    for (const folder of ['geojson', 'labelme'])
      expect((await readAll(folder)).samples[0]?.warnings.join()).toMatch(/1 points or lines are left out/);
  });

  test('TissueNet: channels nuclear and whole-cell, labels the other way round', async () => {
    const { samples } = await readAll('npzArrays');
    expect(samples[0]?.image.channels).toEqual(['nuclear', 'whole-cell']);
    const { samples: nuclear } = await readAll('npzArrays', { kind: 'nuclear' });
    const odd = labels.map((id) => (id === 3 ? 2 : id % 2)); // objects 1 and 3 have nuclei, numbered anew
    expect(idsOf(nuclear[0])).toEqual(odd);
  });

  test("CellSAM's archive: all three shapes, channels by name, parts by folder", async () => {
    const { refs, samples } = await readAll('cellsamFolders');
    expect(refs.map(({ id, split }) => [id, split])).toEqual([
      ['test/drawn/last', 'heldout'],
      ['train/drawn/three', 'train'],
      ['val/drawn/two', 'val'],
    ]);
    expect(samples.map(({ image }) => image.channels)).toEqual([
      ['blank', 'nuclear', 'whole-cell'],
      ['blank', 'nuclear', 'whole-cell'],
      ['nuclear', 'whole-cell'],
    ]);
    expect(samples[1]?.image.data[5]).toBe(255 - (grey[1] as number));
  });

  test('YOLO and CSV give the boxes; one without area is told and left out', async () => {
    const boxes = (json('boxes') as number[][]).flat();
    for (const [folder, count] of [
      ['yolo', 4],
      ['csvBoxes', 5],
    ] as const) {
      // biome-ignore format: a table
      const { type, samples } = await readAll(folder);
      const [sample] = samples as [Sample];
      expect([type, sample.objectCount]).toEqual([folder, count]);
      const found = sample.instances.kind === 'boxes' ? sample.instances.boxes.xyxy : [];
      for (const [i, edge] of boxes.entries()) expect(found[i]).toBeCloseTo(edge, 4);
      expect(found).toHaveLength(16);
    }
    const [table] = (await readAll('csvBoxes')).samples;
    expect(table?.warnings).toEqual(['the box of broken (5, 5, 5, 9) has no area; it is left out']);
    expect(table?.instances).toMatchObject({ classes: Array(4).fill('a "cell", round') });
  });

  test('YOLO segmentation gives outlines as masks', async () => {
    const { type, samples } = await readAll('yoloMasks');
    expect(type).toBe('yoloMasks');
    expect(idsOf(samples[0])).toEqual(labels.map((id) => (id === 4 ? 2 : id === 1 ? 1 : 0)));
  });

  test('channels are chosen by index or name, under new names', async () => {
    const { samples } = await readAll('nnunet', { channels: { membrane: 1, dna: 'nuclear' } });
    const [sample] = samples as [Sample];
    expect(sample.image.channels).toEqual(['membrane', 'dna']);
    expect([...sample.image.data.subarray(0, 2)]).toEqual([255 - (grey[0] as number), grey[0]]);
    await expect(readAll('nnunet', { channels: ['nuclaer'] })).rejects.toThrow(
      /no channel nuclaer; did you mean `nuclear`/,
    );
  });

  test('a wrong option names the nearest one', async () => {
    await expect(formatNamed('maskPairs', { mask: '{id}' })).rejects.toMatchObject({
      problems: [{ where: 'data.options.mask', message: 'unknown key; did you mean `masks`?' }],
    });
  });
});
