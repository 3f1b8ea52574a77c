import { join } from 'node:path';
import { addProgram } from '../../graph/tensorflow/convert.js';
import { GraphDef, type Signature } from '../../graph/tensorflow/graphDef.js';
import { writeSavedModel } from '../../graph/tensorflow/savedModel.js';
import { tf } from '../../tf/index.js';
import { loadSavedModel } from '../../tf/savedModel.js';
import { toArrays, toTensors } from '../verify/difference.js';
import { LIMIT, type OpenProgram, type Target } from './target.js';

/** The signature of each program. */
export const signatureNames: Readonly<Record<string, string>> = {
  encoder: 'encode',
  detector: 'detect',
  decoder: 'decode',
  segment_boxes: 'segment_boxes',
};

export const target: Target = {
  about: 'a SavedModel for TensorFlow in Python, TensorFlow Serving and tfjs-node',
  programs: Object.keys(signatureNames),
  async write(source, folder) {
    const graph = new GraphDef();
    const signatures: Record<string, Signature> = {};
    for (const traced of source.traced) {
      const name = signatureNames[traced.program.name] as string;
      signatures[name] = addProgram(traced, graph, `${name}/`);
    }
    const bytes = await writeSavedModel(graph, signatures, folder, source.weightsUpTo);
    return [{ path: join(folder, 'saved_model.pb'), bytes }];
  },
  async runtimes(_, folder, note) {
    const load = await loadSavedModel();
    if (load === undefined) {
      note('the SavedModel is not verified: it needs TensorFlow itself, not WebAssembly');
      return [];
    }
    const open = async (program: string): Promise<OpenProgram> => {
      const model = await load(folder, signatureNames[program] as string);
      const run: OpenProgram['run'] = async (inputs) => {
        const tensors = toTensors(inputs);
        const results = model.predict(tensors) as tf.NamedTensorMap;
        const arrays = toArrays(results);
        tf.dispose([tensors, results]);
        return arrays;
      };
      return { run, dispose: async () => model.dispose() };
    };
    return [{ name: 'tfjs-node', limit: LIMIT, open }];
  },
};
