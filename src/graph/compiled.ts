import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OutputError } from '../core/errors.js';
import { portable, type tf } from '../tf/index.js';
import { type LoadedSignature, loadSavedModel } from '../tf/savedModel.js';
import { addProgram } from './tensorflow/convert.js';
import { GraphDef } from './tensorflow/graphDef.js';
import { writeSavedModel } from './tensorflow/savedModel.js';
import { merge } from './trace/merge.js';
import { type NamedTensors, record } from './trace/record.js';
import { simplify } from './trace/simplify.js';

/** A function whose operations TensorFlow runs as one graph: inputs of fixed shapes to results, which are the caller's. */
export type Compiled = (inputs: NamedTensors) => tf.NamedTensorMap;

const SIGNATURE = 'run';

/**
 * The same function as a graph: TensorFlow then reuses the memory of operands that are dead, runs what does not depend on
 * each other side by side, and JavaScript is not asked between two operations. The graph stays until the process ends.
 *
 * @param f pure, with a portable form; it sees tensors of its inputs' shapes that hold nothing
 * @param examples one tensor for each input; the caller's
 * @returns undefined on the WebAssembly backend, and where no temporary file can be written
 * @throws ExportError for what a graph cannot hold
 */
export async function compiled(
  f: (inputs: NamedTensors) => NamedTensors,
  examples: NamedTensors,
): Promise<Compiled | undefined> {
  const load = await loadSavedModel();
  if (load === undefined) return undefined;
  const trace = portable(() => record(f, examples, { isDry: true, weightNames: new Map() }));
  const graph = merge([trace], [{}], {});
  simplify(graph);
  const target = new GraphDef();
  const signature = addProgram({ program: {}, graph }, target, '');
  try {
    const model = await throughFile(async (folder) => {
      await writeSavedModel(target, { [SIGNATURE]: signature }, folder, Number.POSITIVE_INFINITY);
      return load(folder, SIGNATURE);
    });
    return (inputs) => model.predict({ ...inputs }) as tf.NamedTensorMap;
  } catch (thrown) {
    if (isOfFiles(thrown)) return undefined;
    throw thrown;
  }
}

const isOfFiles = (thrown: unknown): boolean =>
  thrown instanceof OutputError || (thrown as NodeJS.ErrnoException).code !== undefined;

/** TensorFlow takes graphs from files only: a folder of its own, which goes at once. */
async function throughFile(use: (folder: string) => Promise<LoadedSignature>): Promise<LoadedSignature> {
  const folder = await mkdtemp(join(tmpdir(), `cellsam-graph-${process.pid}-`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
