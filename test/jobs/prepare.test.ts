import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openDataset } from '../../src/data/dataset.js';
import { dataOptions } from '../../src/data/options.js';
import { prepare, prepareJobOptions } from '../../src/jobs/prepare.js';
import { sharedPath } from '../support/shared.js';

const quiet = { emit: () => {} };
const folder = () => mkdtempSync(join(tmpdir(), 'shards-'));
const shards = (root: string) => dataOptions.parse({ type: 'tfrecord', root });
const job = (data: object, out: string, more: object = {}) => prepareJobOptions.parse({ data, out, ...more });

const drawn = { type: 'simulated', count: 12, fieldSize: 32, modalities: ['fluorescence', 'phase'] };

test('shards give the samples, parts and order that the dataset gave, from wherever they are moved', async () => {
  const out = join(folder(), 'a');
  const made = await prepare(job(drawn, out, { shardMb: 0.008 }), '.', quiet);
  expect(made.shards.length).toBeGreaterThan(3);
  const elsewhere = join(folder(), 'b');
  renameSync(out, elsewhere);
  const [before, after] = await Promise.all(
    [dataOptions.parse(drawn), shards(elsewhere)].map((data) => openDataset(data, '.')),
  );
  for (const split of ['train', 'val', 'heldout'] as const) {
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
    const expected = [...((await before?.readSplit(split, quiet)) ?? [])].sort(byId);
    expect(await after?.readSplit(split, quiet)).toEqual(expected);
  }
});

test('a changed byte is an error that names the shard; with skip it is left out', async () => {
  const out = folder();
  await prepare(job(drawn, out, { overwrite: true }), '.', quiet);
  const shard = readdirSync(out).find((name) => name.startsWith('train') && name.endsWith('.tfrecord')) ?? '';
  const bytes = readFileSync(join(out, shard));
  bytes[2000] = 255 - (bytes[2000] as number);
  writeFileSync(join(out, shard), bytes);
  const read = (more: object) =>
    openDataset({ ...shards(out), ...more }, '.').then((set) => set.readSplit('train', quiet));
  await expect(read({})).rejects.toMatchObject({
    problems: [{ where: join(out, shard), message: expect.stringContaining('wrong checksum') }],
  });
  expect(await read({ onBadFile: 'skip' })).toHaveLength(8);
});

test('shards are not written over, unless asked', async () => {
  const out = folder();
  await prepare(job(drawn, out), '.', quiet);
  await expect(prepare(job(drawn, out), '.', quiet)).rejects.toThrow(/holds shards already/);
  await prepare(job({ ...drawn, count: 9 }, out, { overwrite: true }), '.', quiet);
  expect((await openDataset(shards(out), '.')).counts).toEqual({ train: 6, val: 1, heldout: 2 });
});

const real = sharedPath('data/dsb2018');
(real === undefined ? test.skip : test)('DSB 2018 comes back with identical label images', async () => {
  const root = folder();
  for (const id of readdirSync(real as string).slice(0, 6))
    cpSync(join(real as string, id), join(root, id), { recursive: true });
  const out = folder();
  await prepare(job({ type: 'dsb2018', root }, out), '.', quiet);
  const direct = await openDataset(dataOptions.parse({ type: 'dsb2018', root }), '.');
  const stored = await openDataset(shards(out), '.');
  const [a, b] = await Promise.all([direct.readSplit('train', quiet), stored.readSplit('train', quiet)]);
  expect([...a].sort((x, y) => (x.id < y.id ? -1 : 1)).map((s) => s.instances)).toEqual(
    b.map((s) => s.instances),
  );
});
