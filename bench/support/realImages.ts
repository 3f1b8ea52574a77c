import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPixelImage } from '../../src/data/readImage.js';
import type { PixelImage } from '../../src/image/types.js';

/** The first held-out images of the 2018 Data Science Bowl, as it lies in the shared folder. */
export function heldOutImages(count: number, data = '../shared/data'): Promise<PixelImage[]> {
  const split = readFileSync(join(data, 'splits', 'dsb2018.json'), 'utf8');
  const { heldout } = JSON.parse(split) as { heldout: readonly string[] };
  const path = (id: string) => join(data, 'dsb2018', id, 'images', `${id}.png`);
  return Promise.all(heldout.slice(0, count).map((id) => readPixelImage(path(id))));
}
