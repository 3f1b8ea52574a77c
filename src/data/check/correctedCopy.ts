import { copyFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { makeFolder, writeAtomic, writeFileAtomic } from '../../core/files.js';
import type { LabelImage } from '../../image/types.js';
import { npyOf } from '../../io/npyWrite.js';
import { TiffWriter } from '../../io/tiff/write.js';
import type { Field } from '../fields.js';
import type { Sample } from '../sample.js';
import { ShardWriter } from '../shards.js';
import type { Split } from '../split.js';

/** A shard of samples without masks, about. */
const SHARD_BYTES = 64e6;
/** Options that say how an image file is to be read: with any of them its pixels are written anew. */
const IMAGE_KEYS = ['channels', 'channelNames', 'pages', 'plane'] as const;

/** The `data` part of a configuration that reads the copy. */
export interface CopiedData {
  readonly type: string;
  readonly root: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly splitFile?: string;
}

/**
 * Writes sound samples to a new folder: images with masks as `images/` and `masks/` (image files as they were, where one
 * file is one image; labels as TIFF), those with boxes as TFRecord shards. The source is only read.
 */
export class CorrectedCopy {
  readonly #folder: string;
  readonly #names = new Set<string>();
  readonly #parts: Record<Split, string[]> = { train: [], val: [], heldout: [] };
  readonly #shards = new Map<Split, ShardWriter>();
  #channels: readonly string[] | undefined;
  #images = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Samples written so far. */
  get images(): number {
    return this.#images;
  }

  /** @param part `all` where nothing divides the set */
  async add(field: Field, sample: Sample, part: Split | 'all'): Promise<void> {
    this.#images++;
    const { instances } = sample;
    if (instances.kind !== 'labels') {
      const split = part === 'all' ? 'train' : part;
      const writer = this.#shards.get(split) ?? new ShardWriter(this.#folder, split, SHARD_BYTES);
      this.#shards.set(split, writer);
      return writer.write(sample);
    }
    const name = this.#nameOf(field.id);
    if (part !== 'all') this.#parts[part].push(name);
    await this.#writeImage(field, sample, name);
    await writeLabels(join(this.#folder, 'masks', `${name}.tif`), instances.labels);
  }

  /** Finishes the copy. */
  async close(): Promise<CopiedData> {
    for (const writer of this.#shards.values()) await writer.close();
    if (this.#shards.size > 0) return { type: 'tfrecord', root: this.#folder };
    const data = {
      type: 'maskPairs',
      root: this.#folder,
      ...(this.#channels && { options: { channelNames: this.#channels } }),
    };
    if (Object.values(this.#parts).every((part) => part.length === 0)) return data;
    const splitFile = join(this.#folder, 'split.json');
    await writeFileAtomic(splitFile, JSON.stringify(this.#parts, null, 1));
    return { ...data, splitFile };
  }

  async #writeImage({ source }: Field, { image }: Sample, name: string): Promise<void> {
    const path = join(this.#folder, 'images', name);
    const file = 'ref' in source ? source.ref.files[0] : undefined;
    const isOneFile =
      'ref' in source &&
      (source.type === 'dsb2018' ||
        (/^(maskPairs|bbbc039)$/.test(source.type) && source.ref.files.length === 2)) &&
      IMAGE_KEYS.every((key) => source.options[key] === undefined);
    if (isOneFile && file !== undefined) {
      await makeFolder(join(this.#folder, 'images'));
      return copyFile(join(source.root, file), path + extname(file));
    }
    if (image.channels.length > 1) this.#channels ??= image.channels;
    const shape = [image.height, image.width, image.channels.length];
    return writeFileAtomic(
      `${path}.npy`,
      npyOf(image.data, image.channels.length === 1 ? shape.slice(0, 2) : shape),
    );
  }

  #nameOf(id: string): string {
    const plain = id.replace(/\.[a-z0-9]{2,5}$/i, '').replace(/[^\w-]+/g, '_');
    let name = plain;
    for (let k = 2; this.#names.has(name); k++) name = `${plain}_${k}`;
    this.#names.add(name);
    return name;
  }
}

async function writeLabels(path: string, { height, width, data, count }: LabelImage): Promise<void> {
  await writeAtomic(path, async (temporary) => {
    const bits = count > 65_535 ? 32 : 16;
    const writer = await TiffWriter.create(temporary, { height, width, bits, tile: 256 });
    await writer.writeImage(data);
    await writer.close();
  });
}
