import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../core/errors.js';
import type { tf } from '../tf/index.js';
import { type LoadedSignature, loadSavedModel } from '../tf/savedModel.js';
import type { GraphDef, Signature } from './tensorflow/graphDef.js';
import { writeSavedModel } from './tensorflow/savedModel.js';

/** A graph that TensorFlow runs: inputs of fixed shapes to results, which are the caller's. */
export interface Runnable {
  readonly run: (inputs: Readonly<Record<string, tf.Tensor>>) => tf.NamedTensorMap;
  readonly dispose: () => void;
}

const SIGNATURE = 'run';

/**
 * A graph handed to TensorFlow, which then reuses the memory of operands that are dead, runs what does not depend on each
 * other side by side, and does not ask JavaScript between two operations.
 *
 * @returns undefined on the WebAssembly backend, and where no temporary file can be written
 */
export async function runnable(graph: GraphDef, signature: Signature): Promise<Runnable | undefined> {
  const load = await loadSavedModel();
  if (load === undefined) return undefined;
  try {
    const model = await throughFile(async (folder) => {
      await writeSavedModel(graph, { [SIGNATURE]: signature }, folder, Number.POSITIVE_INFINITY);
      return load(folder, SIGNATURE);
    });
    return {
      run: (inputs) => model.predict({ ...inputs }) as tf.NamedTensorMap,
      dispose: () => model.dispose(),
    };
  } catch (thrown) {
    if (isOfFiles(thrown)) return undefined;
    throw thrown;
  }
}

const isOfFiles = (thrown: unknown): boolean =>
  thrown instanceof OutputError || (thrown as NodeJS.ErrnoException).syscall !== undefined;

/** TensorFlow takes graphs from files only: a folder of its own, which goes at once. */
async function throughFile(use: (folder: string) => Promise<LoadedSignature>): Promise<LoadedSignature> {
  const folder = await mkdtemp(join(tmpdir(), `cellsam-graph-${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
