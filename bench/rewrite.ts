/**
 * All of DSB 2018 rewritten into COCO, label TIFF, npz and TFRecord, read back, and compared pixel for pixel.
 *
 *   npm run bench -- rewrite [every n-th image] [layout ...]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rewriteAndCompare } from '../scripts/rewrite/compare.js';
import { REWRITES } from '../scripts/rewrite/layouts.js';

const [step, ...layouts] = process.argv.slice(2);
const every = Number(step ?? 1);
const folder = await mkdtemp(join(tmpdir(), 'cellsam-rewrite-'));
try {
  for (const layout of layouts.length > 0 ? layouts : Object.keys(REWRITES)) {
    const start = performance.now();
    const found = await rewriteAndCompare(
      layout,
      '../shared/data/dsb2018',
      folder,
      (_, i) => i % every === 0,
    );
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(
      `${layout}: ${found.images} images, ${found.objects} objects, ${found.different.length} different, ${seconds} s`,
    );
    if (found.different.length > 0) process.exitCode = 1;
    await rm(join(folder, layout), { recursive: true });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
