import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { decodeFile } from '../../src/io/decode.js';

interface Expected {
  readonly shape: number[];
  readonly axes: string;
  readonly data: number[];
  readonly variable?: string;
  readonly channels?: string[];
  readonly pixelSizeUm?: number[];
  readonly hasAlpha?: boolean;
}

const folder = 'test/fixtures/formats/images';
const manifest = JSON.parse(readFileSync(`${folder}/manifest.json`, 'utf8')) as Record<string, Expected>;

describe('files written by Pillow, tifffile, NumPy, SciPy, nibabel and zarr come value for value', () => {
  test.each(Object.entries(manifest))('%s', async (name, { variable, pixelSizeUm, data, ...rest }) => {
    const found = await decodeFile(`${folder}/${name}`, variable);
    expect(found).toMatchObject(rest);
    expect(Array.from(found.data)).toEqual(data);
    if (pixelSizeUm === undefined) expect(found.pixelSizeUm).toBeUndefined();
    else for (const [i, size] of pixelSizeUm.entries()) expect(found.pixelSizeUm?.[i]).toBeCloseTo(size, 6);
  });
});
