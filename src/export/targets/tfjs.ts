import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addProgram } from '../../graph/tensorflow/convert.js';
import { GraphDef } from '../../graph/tensorflow/graphDef.js';
import { writeGraphModel } from '../../graph/tensorflow/graphModel.js';
import { tf } from '../../tf/index.js';
import { toArrays, toTensors } from '../verify/difference.js';
import { LIMIT, type OpenProgram, type Target } from './target.js';

export const target: Target = {
  about: 'graph models of TensorFlow.js, for browsers',
  programs: ['encoder', 'detector', 'decoder', 'box_decoder'],
  async write(source, folder) {
    const written = [];
    for (const traced of source.traced) {
      const graph = new GraphDef();
      const signature = addProgram(traced, graph, '');
      const own = join(folder, traced.program.name);
      written.push({ path: join(own, 'model.json'), bytes: await writeGraphModel(graph, signature, own) });
    }
    return written;
  },
  async runtimes(_, folder) {
    const open = async (program: string): Promise<OpenProgram> => {
      const model = await tf.loadGraphModel(files(join(folder, program)));
      const { outputs } = model.modelSignature as unknown as { outputs: Record<string, { name: string }> };
      const names = Object.entries(outputs);
      const run: OpenProgram['run'] = async (inputs) => {
        const tensors = toTensors(inputs);
        const results = model.execute(
          tensors,
          names.map(([, { name }]) => name),
        );
        const list = Array.isArray(results) ? results : [results];
        const arrays = toArrays(Object.fromEntries(names.map(([name], i) => [name, list[i] as tf.Tensor])));
        tf.dispose([tensors, list]);
        return arrays;
      };
      return { run, dispose: async () => model.dispose() };
    };
    return [{ name: `TensorFlow.js, ${tf.getBackend()}`, limit: LIMIT, open }];
  },
};

/** Reads a graph model's files, as a browser would fetch them. */
function files(folder: string): tf.io.IOHandler {
  return {
    load: async () => {
      const model = JSON.parse(await readFile(join(folder, 'model.json'), 'utf8'));
      const [manifest] = model.weightsManifest;
      const shards = await Promise.all(manifest.paths.map((path: string) => readFile(join(folder, path))));
      const { modelTopology, format, generatedBy, convertedBy, signature } = model;
      const weightData = Uint8Array.from(Buffer.concat(shards)).buffer;
      return {
        ...{ modelTopology, format, generatedBy, convertedBy, signature },
        weightSpecs: manifest.weights,
        weightData,
      };
    },
  };
}
