import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { formatNamed } from '../../src/data/formats/formats.js';

import { writePng } from '../../src/io/png.js';
import { describeWithShared } from '../support/shared.js';

const dsb2018 = await formatNamed('dsb2018');

async function field(root: string, id: string, masks: readonly (readonly number[])[]): Promise<void> {
  mkdirSync(join(root, id, 'images'), { recursive: true });
  mkdirSync(join(root, id, 'masks'), { recursive: true });
  const png = (channels: number, data: number[]) =>
    writePng({ width: 2, height: 2, channels, data: Uint8Array.from(data) });
  writeFileSync(join(root, id, 'images', `${id}.png`), await png(3, [9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6]));
  for (const [i, mask] of masks.entries())
    writeFileSync(join(root, id, 'masks', `${i}.png`), await png(1, [...mask]));
}

const folder = () => mkdtempSync(join(tmpdir(), 'dsb-'));

describe('the layout of the 2018 Data Science Bowl', () => {
  test('one object a mask file, equal channels are one grey channel', async () => {
    const root = folder();
    await field(root, 'a', [[255, 0, 0, 0], [0, 0, 255, 255]]); // biome-ignore format: two masks
    const [ref] = await dsb2018.list(root);
    const sample = await dsb2018.read(root, ref ?? { id: '', files: [] });
    expect(sample.image.channels).toEqual(['whole-cell']);
    expect([...sample.image.data]).toEqual([9, 8, 7, 6]);
    expect(sample.instances.kind === 'labels' && [...sample.instances.labels.data]).toEqual([1, 0, 2, 2]);
  });

  test('every incomplete folder is named at once', async () => {
    const root = folder();
    await field(root, 'a', []);
    mkdirSync(join(root, 'b'));
    const error = await dsb2018.list(root).catch((thrown: { problems: { where: string }[] }) => thrown);
    expect('problems' in error && error.problems.map((p) => p.where)).toEqual([
      join(root, 'a'),
      join(root, 'b'),
    ]);
  });

  test('an empty or damaged mask and a missing folder are named', async () => {
    const root = folder();
    await field(root, 'a', [[0, 0, 0, 0]]);
    const [ref] = await dsb2018.list(root);
    await expect(dsb2018.read(root, ref ?? { id: '', files: [] })).rejects.toThrow(/0\.png is an empty mask/);
    writeFileSync(join(root, 'a', 'masks', '0.png'), 'no image');
    await expect(dsb2018.read(root, ref ?? { id: '', files: [] })).rejects.toThrow(/not a PNG/);
    await expect(dsb2018.list(join(root, 'nowhere'))).rejects.toThrow(/cannot read the dataset folder/);
  });
});

describeWithShared('the 540 real images', 'data/dsb2018', (path) => {
  test('have 17,651 objects; some are read whole', async () => {
    const refs = await dsb2018.list(path);
    expect(refs).toHaveLength(540);
    expect(refs.reduce((sum, ref) => sum + ref.files.length - 1, 0)).toBe(17_651);
    const odd = refs.filter(({ id }) => id.startsWith('abd8dde7')); // the one that fast-png rejects
    for (const ref of [...refs.slice(0, 10), ...odd]) {
      const sample = await dsb2018.read(path, ref);
      expect(sample.objectCount).toBe(ref.files.length - 1);
    }
  });
});
