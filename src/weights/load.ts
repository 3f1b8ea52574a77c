import { open, stat } from 'node:fs/promises';
import { type ArraySource, type NamedArrays, readAll } from '../core/arrays.js';
import { WeightsError } from '../core/errors.js';
import { openSafetensors } from '../io/safetensors.js';
import { findBase } from './base.js';
import { changedBy, factorNames, isFactor } from './lowRank.js';
import { modelFileAt } from './modelPath.js';
import { openTorch } from './torch.js';

/** An open weight file of any kind; arrays are read on demand. The caller closes it. */
export interface WeightsFile extends ArraySource {
  readonly path: string;
  readonly kind: 'safetensors' | 'PyTorch, zip form' | 'PyTorch, legacy form';
  readonly bytes: number;
  /** Texts that the file holds besides its weights. */
  readonly metadata: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * Opens `.safetensors`, `.pt` or `.pth`; the content decides, not the name. Of a folder its `model.safetensors` is opened. An
 * adapted file, which holds only what changed, is opened together with its base.
 *
 * @throws WeightsError when the file is missing, none of these, damaged or hostile, or its base is not found
 */
export async function openWeights(path: string): Promise<WeightsFile> {
  const own = await openAlone(await modelFileAt(path));
  const reference = own.metadata['base'];
  if (reference === undefined) return own;
  try {
    return over(await openWeights(await findBase(reference, own.path)), own);
  } catch (thrown) {
    await own.close();
    throw thrown;
  }
}

/** The arrays of `own`, and those of `base` that it lacks, changed by `own`'s adapters; what `own` tells about itself. */
function over(base: WeightsFile, own: WeightsFile): WeightsFile {
  const { base: _, ...metadata } = own.metadata;
  const read = async (name: string) => {
    if (own.entries.has(name)) return own.read(name);
    const [down, up] = factorNames(name);
    if (!own.entries.has(down)) return base.read(name);
    return changedBy(name, await base.read(name), await own.read(down), await own.read(up));
  };
  return {
    ...own,
    metadata,
    entries: new Map([...base.entries, ...[...own.entries].filter(([name]) => !isFactor(name))]),
    read,
    close: async () => {
      await own.close();
      await base.close();
    },
  };
}

async function openAlone(path: string): Promise<WeightsFile> {
  const isTorch = await looksLikeTorch(path);
  const { size: bytes } = await stat(path);
  if (!isTorch) {
    const { entries, metadata, read, close } = await openSafetensors(path);
    return { path, kind: 'safetensors', bytes, metadata, entries, read, close };
  }
  const { entries, form, read, close } = await openTorch(path);
  return { path, kind: `PyTorch, ${form} form`, bytes, metadata: {}, entries, read, close };
}

/** Reads all weights of a file into memory. @throws WeightsError as above */
export async function loadWeights(path: string): Promise<NamedArrays> {
  const file = await openWeights(path);
  try {
    return await readAll(file);
  } finally {
    await file.close();
  }
}

async function looksLikeTorch(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch((thrown) => {
    throw new WeightsError(`cannot read ${path}`, { where: path, fix: 'check the path', cause: thrown });
  });
  const head = Buffer.alloc(9);
  await file.read(head, 0, 9, 0);
  await file.close();
  const isZip = head.readUInt32LE(0) === 0x04034b50;
  const isPickle = head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5 && head[8] !== 0x7b;
  return isZip || isPickle;
}
