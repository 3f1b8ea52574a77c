import { expect, test } from '@jest/globals';
import { silent } from '../../src/core/events.js';
import { check } from '../../src/jobs/check.js';
import { describeWithShared } from '../support/shared.js';

describeWithShared('check of a folder whose masks are colour indices', 'data/bbbc039', (folder) => {
  test('names every mask whose ids lie in many pieces, and the layout that counts them', async () => {
    const { problems } = await check({ folder, type: 'maskPairs' }, { emit: silent });
    expect(problems).toHaveLength(4);
    expect(problems[0]?.message).toMatch(/69 pieces.*type bbbc039/);
  });
});

describeWithShared('check without a type', 'data', (shared) => {
  test.each([
    ['bbbc039', 'bbbc039', 506],
    ['stardist_samples', 'volumes', 51],
    ['wbc_bmp', 'maskPairs', 20],
    ['baby_yeast', 'outlineTiles', 37],
  ])('recognises %s as %s and counts %i objects', async (set, type, objects) => {
    expect(await check({ folder: `${shared}/${set}` }, { emit: silent })).toMatchObject({ type, objects });
  });
});

test('a folder that does not exist is one sentence', async () => {
  await expect(check({ folder: 'no-such-folder' }, { emit: silent })).rejects.toThrow(
    /cannot read the dataset folder no-such-folder/,
  );
});
