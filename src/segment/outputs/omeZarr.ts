import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { makeFolder } from '../../core/files.js';
import type { Output } from './output.js';

const chunk = 1024;

/** A folder in OME-Zarr 0.4's form with one label image, `labels/cells`, at full size. */
export const omeZarr: Output = {
  suffix: '_labels.ome.zarr',
  about: 'label image (OME-Zarr 0.4)',
  async write({ cells }, path) {
    const { height, width, data } = cells.labels;
    const group = join(path, 'labels');
    const label = join(group, 'cells');
    const level = join(label, '0');
    await makeFolder(level);
    const write = (folder: string, name: string, value: unknown): Promise<void> =>
      writeFile(join(folder, name), JSON.stringify(value, null, 2));
    for (const folder of [path, group, label]) await write(folder, '.zgroup', { zarr_format: 2 });
    await write(group, '.zattrs', { labels: ['cells'] });
    await write(label, '.zattrs', {
      'image-label': { version: '0.4' },
      multiscales: [multiscale(cells.pixelSizeUm)],
    });
    const chunks = [Math.min(chunk, height), Math.min(chunk, width)] as const;
    await write(level, '.zarray', {
      zarr_format: 2,
      shape: [height, width],
      chunks,
      dtype: '<u4',
      compressor: { id: 'zlib', level: 3 },
      fill_value: 0,
      order: 'C',
      filters: null,
      dimension_separator: '/',
    });
    for (let r = 0; r * chunks[0] < height; r++) {
      await makeFolder(join(level, String(r)));
      for (let c = 0; c * chunks[1] < width; c++) {
        const part = new Uint32Array(chunks[0] * chunks[1]);
        for (let y = 0; y < Math.min(chunks[0], height - r * chunks[0]); y++) {
          const from = (r * chunks[0] + y) * width + c * chunks[1];
          part.set(data.subarray(from, from + Math.min(chunks[1], width - c * chunks[1])), y * chunks[1]);
        }
        await writeFile(
          join(level, String(r), String(c)),
          deflateSync(new Uint8Array(part.buffer), { level: 3 }),
        );
      }
    }
  },
};

function multiscale(pixelSizeUm: readonly [number, number] | undefined): object {
  const unit = pixelSizeUm === undefined ? {} : { unit: 'micrometer' };
  return {
    version: '0.4',
    name: 'cells',
    axes: ['y', 'x'].map((name) => ({ name, type: 'space', ...unit })),
    datasets: [{ path: '0', coordinateTransformations: [{ type: 'scale', scale: pixelSizeUm ?? [1, 1] }] }],
  };
}
