import { ConfigError, DataError, throwIfAborted } from '../../core/errors.js';
import type { JobContext } from '../../core/events.js';
import { openPool, type Pool } from '../../core/pool.js';
import type { Random } from '../../core/random.js';
import type { PixelScale } from '../batches.js';
import type { Dataset } from '../dataset.js';
import type { Field } from '../fields.js';
import { type DataOptions, setsOf } from '../options.js';
import type { Batch, Cursor } from '../sample.js';
import { FieldCache } from './cache.js';
import { FieldOrder, sharesOf } from './order.js';
import { type Answer, makeBatch, type Source, type Task, type WorkOptions } from './work.js';

/** What a trainer asks of its batches. */
export interface LoaderRequest {
  readonly data: DataOptions;
  /** Side of a view in px. */
  readonly side: number;
  readonly pixels: PixelScale;
  readonly batchSize: number;
  /** What the loss needs to know of an object: sets that cannot tell are refused. */
  readonly needs: 'masks' | 'boxes';
  readonly random: Random;
}

/** Draws in the place of a bad field, after which there is none to be found. */
const MOST_ATTEMPTS = 100;

/**
 * Opens the training part of a dataset as a stream of batches, made ahead of time in threads.
 *
 * @throws ConfigError when there is nothing to train on, or a set cannot tell what is needed
 */
export async function openLoader(
  dataset: Dataset,
  request: LoaderRequest,
  context: JobContext,
): Promise<Loader> {
  refuse(dataset, request);
  const { workers } = request.data;
  const pool: Pool<Task, Answer> =
    workers === 0
      ? { run: makeBatch, close: async () => {} }
      : await openPool(new URL('./work.js', import.meta.url), workers);
  const loader = new Loader(dataset.fields.train, request, pool, context);
  await loader.survey();
  return loader;
}

function refuse({ fields, sets }: Dataset, { needs }: LoaderRequest): void {
  if (fields.train.length === 0) throw new ConfigError('the training part has no images', { where: 'data' });
  for (const [i, { name, gives }] of sets.entries()) {
    const where = sets.length === 1 ? 'data' : `data.sets.${i}`;
    if (gives === 'points')
      throw new ConfigError(`${name} marks objects by points, from which nothing here can learn`, { where });
    if (gives === 'boxes' && needs === 'masks')
      throw new ConfigError(`${name} has boxes only, and this stage learns masks`, {
        where,
        fix: 'train the detector alone with train.stage=detector, or leave the set out',
      });
  }
}

/** Batches by their cursor; the same cursor gives the same batch, bit for bit, however many threads there are. */
export class Loader {
  readonly #fields: readonly Field[];
  readonly #request: LoaderRequest;
  readonly #pool: Pool<Task, Answer>;
  readonly #context: JobContext;
  readonly #cache: FieldCache;
  readonly #work: WorkOptions;
  readonly #bad = new Set<string>();
  readonly #ahead = new Map<string, Promise<Batch>>();
  #order: FieldOrder;

  constructor(
    fields: readonly Field[],
    request: LoaderRequest,
    pool: Pool<Task, Answer>,
    context: JobContext,
  ) {
    const { data, side, pixels, needs } = request;
    this.#fields = fields;
    this.#request = request;
    this.#pool = pool;
    this.#context = context;
    this.#cache = new FieldCache(data.cacheMb * 1e6);
    const { scale, objectSide, fit, augment, preprocess } = data;
    this.#work = { view: { side, scale, objectSide, fit, augment }, pixels, preprocess, needs };
    this.#order = this.#orderWith(() => 1);
  }

  /** Views in an epoch. */
  get length(): number {
    return this.#order.length;
  }

  /** Decoded fields in memory, in bytes. */
  get cachedBytes(): number {
    return this.#cache.bytes;
  }

  /**
   * The batch at a cursor; those that follow it are begun.
   *
   * @throws DataError naming a file that cannot be used, unless bad files are skipped
   */
  async batchAt(cursor: Cursor): Promise<Batch> {
    throwIfAborted(this.#context.signal);
    const { workers, prefetch } = this.#request.data;
    const wanted = [cursor];
    for (let k = 0; k < (workers === 0 ? 0 : prefetch); k++)
      wanted.push(this.#order.after(wanted[k] as Cursor, this.#request.batchSize));
    const keys = wanted.map(keyOf);
    for (const key of this.#ahead.keys()) if (!keys.includes(key)) this.#ahead.delete(key);
    for (const [k, key] of keys.entries()) {
      if (this.#ahead.has(key)) continue;
      const batch = this.#make(wanted[k] as Cursor);
      batch.catch(() => {}); // told to whoever asks for it; a batch that nobody asks for may fail unheard
      this.#ahead.set(key, batch);
    }
    const batch = this.#ahead.get(keys[0] as string) as Promise<Batch>;
    this.#ahead.delete(keys[0] as string);
    return batch;
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.#ahead.clear();
    await this.#pool.close();
  }

  /** Looks at all fields once, where the order depends on what they show. */
  async survey(): Promise<void> {
    const { repeatInverted, workers } = this.#request.data;
    if (repeatInverted === 1) return;
    const inverted = new Set<string>();
    const waiting = [...this.#fields];
    let done = 0;
    const lane = async () => {
      for (let field = waiting.shift(); field !== undefined; field = waiting.shift()) {
        throwIfAborted(this.#context.signal);
        const item = { source: { field }, others: [], seed: '' };
        const { read } = this.#note(await this.#pool.run({ items: [item], options: this.#work, keep: true }));
        if (read[0]?.wasInverted) inverted.add(field.id);
        const total = this.#fields.length;
        this.#context.emit({ kind: 'progress', done: ++done, total, unit: 'images', detail: 'surveying' });
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, workers) }, lane));
    this.#order = this.#orderWith(({ id }) => (inverted.has(id) ? repeatInverted : 1));
  }

  #orderWith(timesOf: (field: Field) => number): FieldOrder {
    const { data, random } = this.#request;
    const weights = setsOf(data).map(({ weight }) => weight);
    return new FieldOrder(sharesOf(this.#fields, weights, data.mix, timesOf), random);
  }

  async #make(cursor: Cursor): Promise<Batch> {
    const { batchSize } = this.#request;
    for (;;) {
      const items = Array.from({ length: batchSize }, (_, k) =>
        this.#item(cursor.epoch, cursor.position + k),
      );
      const task = { items, options: this.#work, keep: !this.#cache.isFull };
      const { batch } = this.#note(await this.#pool.run(task));
      if (batch !== undefined) return { ...batch, cursor: this.#order.after(cursor, batchSize) };
    }
  }

  #item(epoch: number, place: number): Task['items'][number] {
    let index = this.#order.at(epoch, place);
    for (let attempt = 1; this.#bad.has((this.#fields[index] as Field).id); attempt++) {
      if (attempt > MOST_ATTEMPTS)
        throw new DataError('hardly any image of the training part can be used', {
          fix: 'look at it with `cellsam check`',
        });
      index = this.#order.replacement(epoch, place, attempt);
    }
    const random = this.#request.random.split(`view/${epoch}/${place}`);
    const isMosaic = random.split('isMosaic').chance(this.#request.data.augment.mosaic.chance);
    const others = isMosaic ? this.#order.partners(epoch, place, this.#fields, index) : [];
    return { source: this.#source(index), others: others.map((i) => this.#source(i)), seed: random.seed };
  }

  #source(index: number): Source {
    const field = this.#fields[index] as Field;
    return { field, prepared: this.#cache.get(field.id) };
  }

  /** Keeps what was read, and tells of each bad field once. */
  #note(answer: Answer): Answer {
    for (const field of answer.read) this.#cache.add(field);
    for (const { id, where = id, message, isUnlabelled } of answer.bad) {
      if (this.#bad.has(id)) continue;
      if (this.#request.data.onBadFile === 'fail' && !isUnlabelled)
        throw new DataError(message, {
          where,
          fix: 'mend or remove the file, or set data.onBadFile=skip; `cellsam check` finds all such files',
        });
      this.#bad.add(id);
      this.#context.emit({ kind: 'warning', message: `left out: ${message}`, where });
    }
    return answer;
  }
}

const keyOf = ({ epoch, position }: Cursor): string => `${epoch}/${position}`;
