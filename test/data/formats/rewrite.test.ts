import { expect, test } from '@jest/globals';
import { rewriteAndCompare } from '../../../scripts/rewrite/compare.js';
import { REWRITES } from '../../../scripts/rewrite/layouts.js';
import { describeWithShared } from '../../support/shared.js';
import { temporaryFolder } from '../../support/temporary.js';

/** Two of the four images with overlapping masks, and two more; all 540 by `npm run bench -- rewrite`. */
const CHOSEN = /^(0a7d30b2|f26f4c2c)/;

describeWithShared('DSB 2018 rewritten and read back', 'data/dsb2018', (source) => {
  test.each(Object.keys(REWRITES))('as %s has the same pixels and label images', async (layout) => {
    const wanted = ({ id }: { id: string }, i: number) => CHOSEN.test(id) || i % 270 === 7;
    const found = await rewriteAndCompare(layout, source, temporaryFolder(), wanted);
    expect(found).toMatchObject({ images: 4, different: [] });
    expect(found.objects).toBeGreaterThan(40);
  });
});
