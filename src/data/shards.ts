import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../core/files.js';
import { sha256OfFile } from '../core/hash.js';
import { RecordWriter } from '../io/tfrecord.js';
import { indexOf, type ShardIndex } from './formats/tfrecord.js';
import type { Sample } from './sample.js';
import { encodeSample } from './sampleRecord.js';
import type { Split } from './split.js';

/** A finished shard. */
export interface Shard {
  /** Name in the folder. */
  readonly file: string;
  readonly split: Split;
  readonly records: number;
  readonly bytes: number;
  readonly sha256: string;
}

interface OpenShard {
  readonly writer: RecordWriter;
  readonly partial: string;
  readonly records: ShardIndex['records'][number][];
}

/** Removes the shards of an earlier or interrupted run, and nothing else. */
export async function removeShards(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((n) => OWN.test(n))) await rm(join(folder, name), { force: true });
}

const OWN = /^(\.?(train|val|heldout)-\d{5}\.tfrecord(\.index\.json|\.partial)?|cache\.json)$/;

/**
 * Writes the samples of one part into shards of about `shardBytes`. A shard has its final name only when it is whole,
 * and its index (ids, places, part) is written before that, so that a broken run leaves nothing that looks complete.
 */
export class ShardWriter {
  readonly #folder: string;
  readonly #split: Split;
  readonly #shardBytes: number;
  readonly #done: Shard[] = [];
  #open: OpenShard | undefined;
  #bytes = 0;

  constructor(folder: string, split: Split, shardBytes: number) {
    this.#folder = folder;
    this.#split = split;
    this.#shardBytes = shardBytes;
  }

  async write(sample: Sample): Promise<void> {
    const record = await encodeSample(sample);
    if (this.#open !== undefined && this.#bytes + record.length > this.#shardBytes) await this.#finish();
    this.#open ??= await this.#begin();
    const place = await this.#open.writer.write(record);
    this.#bytes = place.offset + place.length;
    this.#open.records.push({ id: sample.id, ...place, split: this.#split });
  }

  /** Finishes the last shard. */
  async close(): Promise<readonly Shard[]> {
    if (this.#open !== undefined) await this.#finish();
    return this.#done;
  }

  /** Removes what is not finished, after an error. */
  async abandon(): Promise<void> {
    if (this.#open === undefined) return;
    await this.#open.writer.close();
    await rm(this.#open.partial, { force: true });
  }

  async #begin(): Promise<OpenShard> {
    await makeFolder(this.#folder);
    const partial = join(this.#folder, `.${this.#name()}.partial`);
    await rm(partial, { force: true });
    return { writer: await RecordWriter.create(partial), partial, records: [] };
  }

  async #finish(): Promise<void> {
    const { writer, partial, records } = this.#open as OpenShard;
    await writer.close();
    const file = this.#name();
    const path = join(this.#folder, file);
    await writeFileAtomic(indexOf(path), JSON.stringify({ version: 1, records } satisfies ShardIndex));
    await rename(partial, path);
    const sha256 = await sha256OfFile(path);
    this.#done.push({
      file,
      split: this.#split,
      records: records.length,
      bytes: this.#bytes + 4, // the last record's checksum
      sha256,
    });
    this.#open = undefined;
    this.#bytes = 0;
  }

  #name(): string {
    return `${this.#split}-${String(this.#done.length).padStart(5, '0')}.tfrecord`;
  }
}
