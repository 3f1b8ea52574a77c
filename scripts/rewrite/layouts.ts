import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { zipSync } from 'fflate';
import type { FormatName } from '../../src/data/formats/formats.js';
import type { Sample } from '../../src/data/sample.js';
import { ShardWriter } from '../../src/data/shards.js';
import { boxesOf } from '../../src/image/labels.js';
import { packRuns, runLengths } from '../../src/image/rle.js';
import type { LabelImage } from '../../src/image/types.js';
import { writePng } from '../../src/io/png.js';
import { TiffWriter } from '../../src/io/tiff/write.js';

/** Writes samples of 8 bits with masks into a folder; `name(id)` is what the layout will call a sample. */
export interface Rewrite {
  readonly type: FormatName;
  write(folder: string, samples: AsyncIterable<Sample>): Promise<Map<string, string>>;
}

/** The four layouts that DSB 2018 is rewritten into; each answers with the new id of each old one. */
export const REWRITES: Readonly<Record<string, Rewrite>> = {
  coco: { type: 'coco', write: toCoco },
  labelTiff: { type: 'maskPairs', write: toLabelTiffs },
  npz: { type: 'npzArrays', write: toNpz },
  tfrecord: { type: 'tfrecord', write: toShards },
};

export function labelsOf({ id, instances }: Sample): LabelImage {
  if (instances.kind !== 'labels') throw new Error(`${id} has no masks`);
  return instances.labels;
}

async function writeImage(path: string, { image }: Sample): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const { width, height, channels, data } = image;
  const png = { width, height, channels: channels.length, data: new Uint8Array(data) };
  await writeFile(path, await writePng(png));
}

async function toCoco(folder: string, samples: AsyncIterable<Sample>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const images: object[] = [];
  const annotations: object[] = [];
  for await (const sample of samples) {
    const labels = labelsOf(sample);
    const { height, width } = labels;
    const file_name = `${sample.id}.png`;
    const image_id = images.push({ id: images.length + 1, file_name, height, width });
    const { xyxy } = boxesOf(labels);
    for (let i = 1; i <= labels.count; i++) {
      const box = xyxy.subarray(i * 4 - 4, i * 4);
      const counts = packRuns(runLengths(labels, i, box));
      const id = annotations.length + 1;
      annotations.push({
        id,
        image_id,
        category_id: 1,
        iscrowd: 0,
        segmentation: { size: [height, width], counts },
      });
    }
    await writeImage(join(folder, 'images', file_name), sample);
    names.set(sample.id, `images/${file_name}`);
  }
  const document = { images, categories: [{ id: 1, name: 'cell' }], annotations };
  await writeFile(join(folder, 'annotations.json'), JSON.stringify(document));
  return names;
}

async function toLabelTiffs(folder: string, samples: AsyncIterable<Sample>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for await (const sample of samples) {
    await writeImage(join(folder, `${sample.id}_img.png`), sample);
    const { height, width, data } = labelsOf(sample);
    const tile = 256;
    const writer = await TiffWriter.create(join(folder, `${sample.id}_masks.tif`), {
      height,
      width,
      bits: 16,
      tile,
    });
    for (let k = 0; k < writer.across * writer.down; k++) {
      const [top, left] = [Math.floor(k / writer.across) * tile, (k % writer.across) * tile];
      const pixels = new Uint32Array(tile * tile);
      for (let y = 0; y < Math.min(tile, height - top); y++) {
        const from = (top + y) * width + left;
        pixels.set(data.subarray(from, from + Math.min(tile, width - left)), y * tile);
      }
      await writer.writeTile(k, pixels);
    }
    await writer.close();
    names.set(sample.id, sample.id);
  }
  return names;
}

/** One file for each size and number of channels, at most 40 frames each. */
async function toNpz(folder: string, samples: AsyncIterable<Sample>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const groups = new Map<string, Sample[]>();
  let files = 0;
  const flush = async (group: Sample[]): Promise<void> => {
    const file = `part-${String(files++).padStart(3, '0')}.npz`;
    const [{ image } = { image: undefined }] = group;
    if (image === undefined) return;
    const { height, width, channels } = image;
    const shape = [group.length, height, width];
    const X = npy(
      '|u1',
      [...shape, channels.length],
      Buffer.concat(group.map((s) => new Uint8Array(s.image.data))),
    );
    const ids = group.map((s) => Buffer.from(new Uint16Array(labelsOf(s).data).buffer));
    const archive = zipSync(
      { 'X.npy': X, 'y.npy': npy('<u2', [...shape, 1], Buffer.concat(ids)) },
      { level: 1 },
    );
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, file), archive);
    for (const [i, { id }] of group.entries()) names.set(id, `${file}#${String(i).padStart(5, '0')}`);
  };
  for await (const sample of samples) {
    const { height, width, channels } = sample.image;
    const key = [height, width, channels.length].join('x');
    const group = groups.get(key) ?? [];
    group.push(sample);
    groups.set(key, group.length === 40 ? [] : group);
    if (group.length === 40) await flush(group);
  }
  for (const group of groups.values()) await flush(group);
  return names;
}

function npy(descr: string, shape: readonly number[], data: Uint8Array): Uint8Array {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')}), }\n`;
  const length = Buffer.from([header.length & 255, header.length >> 8]);
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(header), data]);
}

async function toShards(folder: string, samples: AsyncIterable<Sample>): Promise<Map<string, string>> {
  await mkdir(folder, { recursive: true });
  const names = new Map<string, string>();
  const writer = new ShardWriter(folder, 'train', 32 << 20);
  for await (const sample of samples) {
    await writer.write(sample);
    names.set(sample.id, sample.id);
  }
  await writer.close();
  return names;
}
