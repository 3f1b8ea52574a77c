import { join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../../core/errors.js';
import { relabel } from '../../image/labels.js';
import { decodeFile, type RawImage } from '../../io/decode.js';
import { labelsOf } from '../../io/zarr.js';
import { imageOptions } from '../imageOptions.js';
import { asLabels, makeSample } from '../makeSample.js';
import { planesOf, toIds, toPixelImage } from '../readImage.js';
import { filesBelow } from './folder.js';
import { defineFormat, type FieldRef } from './format.js';

const options = z.strictObject({
  ...imageOptions,
  label: z.string().optional().describe('name of the label image inside `labels`; the first when absent'),
});

/** OME-Zarr images that carry their label images: `x.zarr/labels/<name>`. Planes of a volume are fields. */
export const omeZarr = defineFormat({
  name: 'omeZarr',
  about: 'OME-Zarr (0.4, 0.5) images with label images inside, `x.zarr/labels/<name>`; every plane an image',
  gives: 'masks',
  options,
  detect: async (root, files) => {
    const first = files.find((file) => file.endsWith('.zarr'));
    if (first === undefined) return undefined;
    const names = await labelsOf(join(root, first)).catch(() => []);
    return names.length > 0 ? { certainty: 0.95 } : undefined;
  },
  list: async (root, own) => {
    const refs: FieldRef[] = [];
    for (const file of (await filesBelow(root)).filter((name) => name.endsWith('.zarr'))) {
      const name = own.label ?? (await labelsOf(join(root, file)))[0];
      if (name === undefined)
        throw new DataError(`${join(root, file)} has no label image`, {
          where: join(root, file),
          fix: 'write it with ome-zarr `write_labels`, or give masks as files with the type `maskPairs`',
        });
      const mask = `${file}/labels/${name}`;
      const planes = planesOf(await decodeFile(join(root, mask)), 'planes');
      for (let i = 0; i < planes; i++) {
        const plane = `#${String(i).padStart(String(planes - 1).length, '0')}`;
        refs.push({ id: planes === 1 ? file : `${file}${plane}`, files: [file, mask] });
      }
    }
    if (refs.length === 0) throw new DataError(`${root} holds no .zarr folders`, { where: root });
    return refs;
  },
  read: async (root, ref, own) => {
    const [file = '', maskFile = ''] = ref.files;
    const [path, maskPath] = [join(root, file), join(root, maskFile)];
    const raw = await decodeFile(path);
    const mask = withoutChannels(await decodeFile(maskPath));
    const plane = ref.id === file ? 0 : Number(ref.id.slice(ref.id.lastIndexOf('#') + 1));
    const image = toPixelImage(raw, path, own, plane);
    const { labels, ids } = relabel(toIds(mask, maskPath, image, plane), image.height, image.width);
    return makeSample({
      dataset: 'omeZarr',
      ref,
      image,
      instances: asLabels(labels),
      licence: own.licence,
      ...(ref.id !== file && { volume: { file: maskFile, plane, ids } }),
    });
  },
});

/** Label images are often written with an axis of one channel. */
function withoutChannels(raw: RawImage): RawImage {
  const at = raw.axes.indexOf('c');
  if (at < 0 || raw.shape[at] !== 1) return raw;
  return { ...raw, axes: raw.axes.replace('c', ''), shape: raw.shape.filter((_, i) => i !== at) };
}
