import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../core/files.js';
import { tf } from '../tf/index.js';
import type { ViewFeatures } from './boundary.js';

/** Features of one view as plain numbers. */
type Kept = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

export interface CacheLimits {
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

/**
 * Features of views, bounded in memory and on disk. With a folder they stay for the next time; what does not fit in either
 * place is computed again. In every case the numbers are the same.
 */
export class FeatureCache {
  readonly #limits: CacheLimits;
  readonly #folder: string | undefined;
  readonly #memory = new Map<string, Kept>();
  #bytes = 0;
  #diskBytes: number | undefined;
  /** How often features were computed and not found; for reports and tests. */
  computed = 0;

  /**
   * @param folder where files go, one for each model; memory only when absent
   */
  constructor(limits: CacheLimits, folder?: string) {
    this.#limits = limits;
    this.#folder = folder;
  }

  /**
   * Features of several views as one batch; the caller owns the tensors.
   *
   * @param keys each of a view and the boundary behind which its features lie
   * @param compute makes the features of the view at an index; asked for those that are not kept
   */
  async batch(keys: readonly string[], compute: (index: number) => ViewFeatures): Promise<ViewFeatures> {
    const found: Kept[] = [];
    for (const [i, key] of keys.entries()) {
      const kept = this.#memory.get(key) ?? (await this.#read(key));
      if (kept !== undefined) {
        this.#remember(key, kept);
        found.push(kept);
        continue;
      }
      const fresh = download(compute(i));
      this.computed += 1;
      this.#remember(key, fresh);
      await this.#write(key, fresh);
      found.push(fresh);
    }
    return together(found);
  }

  #remember(key: string, kept: Kept): void {
    if (this.#memory.has(key)) return;
    const size = bytesOf(kept);
    if (this.#bytes + size > this.#limits.memoryBytes) return; // the epoch comes round: the oldest is needed first
    this.#memory.set(key, kept);
    this.#bytes += size;
  }

  async #read(key: string): Promise<Kept | undefined> {
    if (this.#folder === undefined) return undefined;
    const path = join(this.#folder, key);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const kept = decode(bytes);
    if (kept === undefined) await rm(path, { force: true });
    return kept;
  }

  async #write(key: string, kept: Kept): Promise<void> {
    if (this.#folder === undefined) return;
    await makeFolder(this.#folder);
    this.#diskBytes ??= await folderBytes(this.#folder);
    const bytes = encode(kept);
    if (this.#diskBytes + bytes.length > this.#limits.diskBytes) return;
    await writeFileAtomic(join(this.#folder, key), bytes);
    this.#diskBytes += bytes.length;
  }
}

const bytesOf = (kept: Kept): number =>
  [...kept.values()].reduce((sum, { data }) => sum + data.byteLength, 0);

function download(features: ViewFeatures): Kept {
  const kept = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, tensor] of Object.entries(features)) {
    kept.set(name, { shape: tensor.shape, data: tensor.dataSync() as Float32Array });
    tensor.dispose();
  }
  return kept;
}

function together(all: readonly Kept[]): ViewFeatures {
  const names = [...(all[0] as Kept).keys()];
  return Object.fromEntries(
    names.map((name) => {
      const parts = all.map((kept) => kept.get(name) as { shape: readonly number[]; data: Float32Array });
      const [, h, w, c] = (parts[0] as { shape: readonly number[] }).shape as [
        number,
        number,
        number,
        number,
      ];
      const data = new Float32Array(parts.length * h * w * c);
      for (const [i, part] of parts.entries()) data.set(part.data, i * h * w * c);
      return [name, tf.tensor4d(data, [parts.length, h, w, c])];
    }),
  );
}

/** Length of a header, header (names and shapes as JSON, padded to 4 bytes), numbers. */
function encode(kept: Kept): Uint8Array {
  const list = [...kept].map(([name, { shape }]) => ({ name, shape }));
  const text = JSON.stringify(list);
  const header = Buffer.from(text + ' '.repeat((4 - (Buffer.byteLength(text) % 4)) % 4));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const numbers = [...kept.values()].map(({ data }) =>
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  );
  return Buffer.concat([length, header, ...numbers]);
}

/** Undefined when the file was cut. */
function decode(bytes: Buffer): Kept | undefined {
  try {
    const length = bytes.readUInt32LE(0);
    const list = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as { name: string; shape: number[] }[];
    const kept = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    let at = 4 + length;
    for (const { name, shape } of list) {
      const size = 4 * shape.reduce((a, b) => a * b, 1);
      if (at + size > bytes.length) return undefined;
      const own = bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + size) as ArrayBuffer;
      kept.set(name, { shape, data: new Float32Array(own) });
      at += size;
    }
    return kept;
  } catch {
    return undefined;
  }
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
  );
  return sizes.reduce((a, b) => a + b, 0);
}
