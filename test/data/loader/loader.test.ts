import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { JobEvent } from '../../../src/core/events.js';
import { sha256 } from '../../../src/core/hash.js';
import { Random } from '../../../src/core/random.js';
import { batchAt } from '../../../src/data/batches.js';
import { openDataset } from '../../../src/data/dataset.js';
import { openLoader } from '../../../src/data/loader/loader.js';
import { FieldOrder, sharesOf } from '../../../src/data/loader/order.js';
import { dataOptions } from '../../../src/data/options.js';
import { prepareFields } from '../../../src/data/prepared.js';
import type { Batch, Cursor } from '../../../src/data/sample.js';
import { writePng } from '../../../src/io/png.js';

const START: Cursor = { epoch: 0, position: 0, random: [] };
const pixels = { pixelMean: [1, 2, 3], pixelStd: [4, 5, 6] } as const;
const all = {
  mosaic: { chance: 0.5 },
  rotate: { chance: 0.5 },
  blur: { chance: 0.5 },
  noise: { chance: 1, photons: 0.1 },
  crop: { tries: 3 },
};
const drawn = { type: 'simulated', count: 14, fieldSize: 32, augment: all };

async function open(data: object, emit: (event: JobEvent) => void = () => {}) {
  const options = dataOptions.parse(data);
  const request = { data: options, side: 40, pixels, batchSize: 2, needs: 'masks' } as const;
  return openLoader(await openDataset(options, '.'), { ...request, random: new Random(5) }, { emit });
}

const digest = ({ images, sizes, boxes, offsets, masks = [], ids, cursor }: Batch) =>
  sha256(images, sizes, boxes, offsets, ...masks.map(({ data }) => data), JSON.stringify([ids, cursor]));

async function take(data: object, count: number, from = START): Promise<Batch[]> {
  const loader = await open(data);
  const batches: Batch[] = [];
  for (let cursor = from; batches.length < count; cursor = (batches.at(-1) as Batch).cursor)
    batches.push(await loader.batchAt(cursor));
  await loader.close();
  return batches;
}

describe('batches', () => {
  test('are the same bit for bit with two threads, with none, and with a cache too small for a field', async () => {
    const [none, two, small] = [
      await take({ ...drawn, workers: 0 }, 7),
      await take({ ...drawn, workers: 2, prefetch: 3 }, 7),
      await take({ ...drawn, workers: 0, cacheMb: 0 }, 7),
    ];
    expect(two.map(digest)).toEqual(none.map(digest));
    expect(small.map(digest)).toEqual(none.map(digest));
    expect(none.at(-1)?.cursor.epoch).toBe(1);
  });

  test('follow a kill and resume at any batch as if nothing had happened', async () => {
    const whole = await take({ ...drawn, workers: 0 }, 8);
    for (const [k, batch] of whole.slice(0, -1).entries()) {
      const saved = JSON.parse(JSON.stringify(batch.cursor)) as Cursor;
      const [next] = await take({ ...drawn, workers: 0 }, 1, saved);
      expect(next && digest(next)).toBe(digest(whole[k + 1] as Batch));
    }
  });

  test('show every field of one dataset once in an epoch, in an order that changes', async () => {
    const batches = await take({ ...drawn, workers: 0 }, 10);
    const ids = batches.flatMap((batch) => batch.ids);
    expect(new Set(ids.slice(0, 10)).size).toBe(10);
    expect([...ids.slice(10)].sort()).toEqual([...ids.slice(0, 10)].sort());
    expect(ids.slice(10)).not.toEqual(ids.slice(0, 10));
  });

  test("of fields in memory are the loader's, with stained images repeated too", async () => {
    const data = { ...drawn, augment: {}, modalities: ['fluorescence', 'stained'], repeatInverted: 2 };
    const options = dataOptions.parse(data);
    const samples = await (await openDataset(options, '.')).readSplit('train', { emit: () => {} });
    const view = { side: 40, scale: options.scale, repeatInverted: 2, ...pixels };
    const fields = prepareFields(samples);
    const [first, second] = await take({ ...data, workers: 0 }, 2);
    expect(first && digest(first)).toBe(digest(batchAt(fields, START, 2, view, new Random(5))));
    const next = batchAt(fields, first?.cursor ?? START, 2, view, new Random(5));
    expect(second && digest(second)).toBe(digest(next));
  });
});

describe('several datasets', () => {
  test.each([
    ['by size', 'size', [undefined, undefined], 4 / 21],
    ['by root of size', 'sqrt', [undefined, undefined], 2 / (2 + Math.sqrt(17))],
    ['all alike', 'equal', [undefined, undefined], 1 / 2],
    ['by given weights', 'size', [1, 3], 3 / 4],
  ] as const)('are mixed %s', async (_, mix, weights, expected) => {
    const set = (name: string, count: number) => ({ type: 'simulated', name, count });
    const options = dataOptions.parse({ sets: [set('a', 24), set('b', 6)] });
    const fields = (await openDataset(options, '.')).fields.train;
    const order = new FieldOrder(
      sharesOf(fields, weights, mix, () => 1),
      new Random(5),
    );
    const places = Array.from({ length: 3000 }, (_, place) => fields[order.at(0, place)]?.id ?? '');
    const ofB = places.filter((id) => id.startsWith('b/')).length / places.length;
    expect(Math.abs(ofB - expected)).toBeLessThan(0.03);
  });
});

describe('a bad file', () => {
  async function withBadFile(): Promise<string> {
    const root = mkdtempSync(join(tmpdir(), 'bad-'));
    const square = (channels: number, value: number) =>
      writePng({ width: 8, height: 8, channels, data: new Uint8Array(64 * channels).fill(value) });
    for (let i = 0; i < 10; i++) {
      for (const part of ['images', 'masks']) mkdirSync(join(root, `f${i}`, part), { recursive: true });
      writeFileSync(join(root, `f${i}`, 'images', 'i.png'), await square(3, 100 + i));
      writeFileSync(join(root, `f${i}`, 'masks', '0.png'), await square(1, 255));
    }
    return root;
  }
  const damage = (root: string, id: string) => writeFileSync(join(root, id, 'masks', '0.png'), 'no picture');

  test('stops with its name; or it is told of once, and others take its place', async () => {
    const root = await withBadFile();
    const data = { type: 'dsb2018', root, workers: 0 };
    const bad = (await take(data, 1))[0]?.ids[0] as string;
    damage(root, bad);
    await expect(take(data, 3)).rejects.toMatchObject({ where: expect.stringContaining(bad) });
    const warnings: string[] = [];
    const loader = await open({ ...data, onBadFile: 'skip' }, (event) => {
      if (event.kind === 'warning') warnings.push(event.where ?? '');
    });
    const seen: string[] = [];
    for (let cursor = START; cursor.epoch < 3; ) {
      const batch = await loader.batchAt(cursor);
      seen.push(...batch.ids);
      cursor = batch.cursor;
    }
    expect(seen).toHaveLength(18);
    expect(seen).not.toContain(bad);
    expect(warnings).toEqual([expect.stringContaining(bad)]);
  });

  test('in a thread is told of in the same way', async () => {
    const root = await withBadFile();
    const copy = mkdtempSync(join(tmpdir(), 'bad-'));
    cpSync(root, copy, { recursive: true });
    for (let i = 0; i < 10; i++) damage(copy, `f${i}`);
    await expect(take({ type: 'dsb2018', root: copy, workers: 1 }, 1)).rejects.toThrow(/not a PNG/);
  });
});
