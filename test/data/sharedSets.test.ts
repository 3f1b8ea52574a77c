import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { formatNamed } from '../../src/data/formats/formats.js';
import { Tally } from '../../src/data/tally.js';
import { describeWithShared } from '../support/shared.js';

interface Counts {
  readonly images: number;
  readonly objects: number;
}

/** Sets of many files: here the images are counted and a few read, all of them by `npm run bench -- sets`. */
const SAMPLED: Readonly<Record<string, number>> = { dsb2018: 12 };

describeWithShared('the published sets, each through its own configuration', 'data', (folder) => {
  const counts = JSON.parse(readFileSync(`${folder}/counts.json`, 'utf8')) as Record<string, Counts>;
  const sets = readdirSync(folder).filter((name) => name in counts);

  test('are the fourteen that are counted', () => {
    expect(sets.sort()).toEqual(
      Object.keys(counts)
        .filter((name) => name !== 'note')
        .sort(),
    );
  });

  test.each(sets)('%s', async (set) => {
    const { data } = parse(readFileSync(`configs/${set}.yaml`, 'utf8')) as {
      data: { type: string; root: string; options?: Record<string, unknown> };
    };
    expect(data.root).toBe(`../../shared/data/${set}`);
    const format = await formatNamed(data.type, data.options);
    const refs = await format.list(`${folder}/${set}`);
    const every = Math.ceil(refs.length / (SAMPLED[set] ?? refs.length));
    const tally = new Tally();
    for (const [i, ref] of refs.entries())
      if (i % every === 0) tally.add(await format.read(`${folder}/${set}`, ref));
    const { images, objects } = counts[set] as Counts;
    if (every === 1) expect({ images: tally.images, objects: tally.objects }).toEqual({ images, objects });
    else expect(refs).toHaveLength(images);
  });
});
