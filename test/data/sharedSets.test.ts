import { expect, test } from '@jest/globals';
import { type FormatName, formatNamed } from '../../src/data/formats/formats.js';
import { describeWithShared } from '../support/shared.js';

const SETS: readonly (readonly [set: string, type: FormatName, images: number, objects: number])[] = [
  ['bbbc039', 'bbbc039', 4, 506],
  ['omnipose_bacteria', 'maskPairs', 2, 180],
  ['imc_pancreas', 'maskPairs', 2, 235],
  ['c2c12_npz', 'npzArrays', 10, 103],
];

for (const [set, type, images, objects] of SETS) {
  describeWithShared(`the published set ${set}`, `data/${set}`, (root) => {
    test(`has ${images} images and ${objects} objects as ${type}`, async () => {
      const format = await formatNamed(type);
      const refs = await format.list(root);
      let count = 0;
      for (const ref of refs) count += (await format.read(root, ref)).objectCount;
      expect([refs.length, count]).toEqual([images, objects]);
    });
  });
}
