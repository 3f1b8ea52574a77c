import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { portable, type tf } from '../tf/index.js';
import { loadSavedModel } from '../tf/savedModel.js';
import { addProgram } from './tensorflow/convert.js';
import { GraphDef } from './tensorflow/graphDef.js';
import { writeSavedModel } from './tensorflow/savedModel.js';
import { merge } from './trace/merge.js';
import { type NamedTensors, record } from './trace/record.js';
import { simplify } from './trace/simplify.js';

/** A function whose operations TensorFlow runs as one graph. */
export interface Compiled {
  /** @param inputs of the shapes that it was made for @returns the caller's */
  run(inputs: NamedTensors): tf.NamedTensorMap;
  dispose(): void;
}

/** No constant leaves the graph's file: everything large is an input. */
const ALL = Number.POSITIVE_INFINITY;

/**
 * The same function as a graph: TensorFlow then reuses the memory of operands that are dead, runs what does not depend on
 * each other side by side, and JavaScript is not asked between two operations.
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
  const folder = await mkdtemp(join(tmpdir(), 'cellsam-graph-')).catch(() => undefined);
  if (folder === undefined) return undefined;
  try {
    const isWritten = await writeSavedModel(target, { run: signature }, folder, ALL).catch(() => false);
    if (isWritten === false) return undefined;
    const model = await load(folder, 'run');
    return {
      run: (inputs) => model.predict({ ...inputs }) as tf.NamedTensorMap,
      dispose: () => model.dispose(),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}
