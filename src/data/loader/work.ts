import { CellsamError, type Problem } from '../../core/errors.js';
import { handedOver } from '../../core/pool.js';
import { Random } from '../../core/random.js';
import { type BatchContent, type PixelScale, toBatch } from '../batches.js';
import { type Field, readField } from '../fields.js';
import { type PreparedField, type Preprocess, prepareField } from '../prepared.js';
import { randomView, type View, type ViewOptions } from '../transforms/view.js';

/** How fields become a batch; the same for all batches of a loader. */
export interface WorkOptions {
  readonly view: ViewOptions;
  readonly pixels: PixelScale;
  readonly preprocess: Preprocess;
  /** What the loss needs to know of an object. */
  readonly needs: 'masks' | 'boxes';
}

/** A field to use: read already, or to be read. */
export interface Source {
  readonly field: Field;
  readonly prepared?: PreparedField | undefined;
}

/** One view of a batch. */
export interface Item {
  readonly source: Source;
  /** Three more for a mosaic, or none. */
  readonly others: readonly Source[];
  readonly seed: string;
}

export interface Task {
  readonly items: readonly Item[];
  readonly options: WorkOptions;
  /** Whether fields that were read should come back, to be kept. */
  readonly keep: boolean;
}

/** A field that cannot be used. */
export interface BadField extends Problem {
  readonly id: string;
  /** It has no annotation, or points only: nothing is wrong with the file. */
  readonly isUnlabelled: boolean;
}

export interface Answer {
  /** Absent when a field of an item could not be used. */
  readonly batch?: BatchContent;
  /** Fields that were read for this task, on memory that threads share. */
  readonly read: readonly PreparedField[];
  readonly bad: readonly BadField[];
}

/** Makes a batch, in a thread of its own. */
export default async function work(task: Task): Promise<Answer> {
  const answer = await makeBatch(task);
  const { batch } = answer;
  if (batch === undefined) return answer;
  const arrays = [batch.images, batch.sizes, batch.boxes, batch.offsets];
  const masks = (batch.masks ?? []).map(({ data }) => data);
  return handedOver(
    answer,
    [...arrays, ...masks].map(({ buffer }) => buffer),
  );
}

/** Makes a batch; all of it follows from the task. @throws anything but data errors, which are in the answer */
export async function makeBatch({ items, options, keep }: Task): Promise<Answer> {
  const read: PreparedField[] = [];
  const bad: BadField[] = [];
  const known = new Map<string, PreparedField | undefined>();
  const get = async ({ field, prepared }: Source): Promise<PreparedField | undefined> => {
    if (prepared !== undefined) return prepared;
    if (!known.has(field.id)) {
      const found = await open(field, options);
      if ('isUnlabelled' in found) {
        bad.push(found);
        known.set(field.id, undefined);
      } else {
        const own = keep ? onSharedMemory(found) : found;
        if (keep) read.push(own);
        known.set(field.id, own);
      }
    }
    return known.get(field.id);
  };
  const views: (View & { id: string })[] = [];
  const contentHashes: string[] = [];
  for (const { source, others, seed } of items) {
    const field = await get(source);
    if (field === undefined) continue;
    const partners: PreparedField[] = [];
    for (const other of others) partners.push((await get(other)) ?? field);
    contentHashes.push(field.contentHash, ...partners.map((partner) => partner.contentHash));
    views.push({ ...randomView(field, partners, options.view, new Random(seed)), id: field.id });
  }
  if (views.length < items.length) return { read, bad };
  return { batch: { ...toBatch(views, options.pixels), contentHashes }, read, bad };
}

async function open(field: Field, { preprocess, needs }: WorkOptions): Promise<PreparedField | BadField> {
  const { id } = field;
  try {
    const prepared = prepareField(await readField(field), preprocess);
    if (prepared === undefined)
      return { id, where: id, message: 'has no masks or boxes to learn from', isUnlabelled: true };
    if (prepared.boxesOnly !== undefined && needs === 'masks')
      return { id, where: id, message: 'has boxes only, and masks are to be learnt', isUnlabelled: false };
    return prepared;
  } catch (thrown) {
    if (!(thrown instanceof CellsamError)) throw thrown;
    return { id, where: thrown.where ?? id, message: thrown.message, isUnlabelled: false };
  }
}

/** The same field where all threads can read it without copies. */
function onSharedMemory(field: PreparedField): PreparedField {
  const values = new Float32Array(new SharedArrayBuffer(field.values.byteLength));
  values.set(field.values);
  const data = new Uint32Array(new SharedArrayBuffer(field.labels.data.byteLength));
  data.set(field.labels.data);
  return { ...field, values, labels: { ...field.labels, data } };
}
