import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ExportError, SetupError } from '../../core/errors.js';
import { makeFolder, writeFileAtomic } from '../../core/files.js';
import { sha256 } from '../../core/hash.js';
import { addProgram } from '../../graph/tensorflow/convert.js';
import { GraphDef } from '../../graph/tensorflow/graphDef.js';
import { writeGraphModel } from '../../graph/tensorflow/graphModel.js';
import { writeSavedModel } from '../../graph/tensorflow/savedModel.js';
import { fuse } from '../../graph/trace/fuse.js';
import { copyGraph } from '../../graph/trace/graph.js';
import { npyOf } from '../../io/npyWrite.js';
import { writeZip } from '../../io/zipWrite.js';
import { OnnxSession, onnxRuntime, type SessionArray } from '../../segment/engines/onnxSession.js';
import { backendInfo } from '../../tf/index.js';
import { describePackage, type PackageFile, packageReadme, spdx } from '../bioimageio/description.js';
import { toOnnx } from '../onnx/convert.js';
import { writeOnnx } from '../onnx/write.js';
import type { Case } from '../verify/cases.js';
import { type ExportSource, LIMIT, type Target, type Traced } from './target.js';

const PROGRAM = 'candidates';

/** TensorFlow's version where it is not the backend. */
const USUAL_TENSORFLOW = '2.21.0';

export const target: Target = {
  about: 'a bioimage.io 0.5 package of the detector: three forms, test tensors, description',
  programs: [PROGRAM],
  check({ licence, isVerified }) {
    spdx(licence);
    if (!isVerified)
      throw new ExportError('a bioimage.io package holds test tensors, which come with verification', {
        fix: 'leave out --no-verify',
      });
  },
  async write(source, folder) {
    const traced = source.traced.find(({ program }) => program.name === PROGRAM) as Traced;
    const test = source.cases.find(({ program }) => program === PROGRAM) as Case;
    demandRoom(traced, source.weightsUpTo);
    await makeFolder(folder);
    const graph = copyGraph(traced.graph);
    fuse(graph);
    await writeOnnx(toOnnx(graph, source.opset), join(folder, 'candidates.onnx'));
    await writeArchives(traced, source.weightsUpTo, folder);
    const [image, candidates] = [test.inputs['image'], test.outputs[PROGRAM]] as [SessionArray, SessionArray];
    for (const [name, { shape, data }] of [
      ['test_input', image] as const,
      ['test_output', candidates] as const,
    ])
      await writeFileAtomic(join(folder, `${name}.npy`), npyOf(data as Float32Array, shape));
    await writeTexts(source, candidates.shape[1] ?? 0, folder);
    const package_ = join(folder, 'package.zip');
    const names = (await readdir(folder)).filter((name) => name !== 'package.zip');
    await writeZip(package_, await entries(folder, names));
    return [{ path: package_, bytes: (await readFile(package_)).length }];
  },
  async runtimes(_, folder, note) {
    try {
      await onnxRuntime();
    } catch (thrown) {
      if (!(thrown instanceof SetupError)) throw thrown;
      note(`the package is not verified: ${thrown.message}`);
      return [];
    }
    const open = () => OnnxSession.open(join(folder, 'candidates.onnx'));
    return [{ name: 'onnxruntime-node', limit: LIMIT, open }];
  },
};

/** An archive ends at 4 GB, and holds the weights three times. @throws ExportError */
function demandRoom({ graph }: Traced, weightsUpTo: number): void {
  const bytes = [...graph.consts.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  if (3 * bytes > 2 * weightsUpTo)
    throw new ExportError(`three forms of a model of ${(bytes / 1e9).toFixed(1)} GB do not fit a package`, {
      fix: 'leave bioimageio out of --to, and share the folders of the other forms',
    });
}

/** The forms that are folders, which the format wants as archives. */
async function writeArchives(traced: Traced, weightsUpTo: number, folder: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'cellsam-package-'));
  try {
    const saved = new GraphDef();
    const signature = addProgram(traced, saved, '');
    await writeSavedModel(saved, { serving_default: signature }, join(scratch, 'saved_model'), weightsUpTo);
    const graph = new GraphDef();
    await writeGraphModel(graph, addProgram(traced, graph, ''), join(scratch, 'tfjs'));
    for (const name of ['saved_model', 'tfjs']) {
      const own = join(scratch, name);
      await writeZip(join(folder, `${name}.zip`), await entries(own, await readdir(own)));
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function writeTexts(source: ExportSource, candidates: number, folder: string): Promise<void> {
  const file = async (name: string): Promise<PackageFile> => ({
    source: name,
    sha256: await hashOf(join(folder, name)),
  });
  const files = {
    input: await file('test_input.npy'),
    output: await file('test_output.npy'),
    onnx: await file('candidates.onnx'),
    savedModel: await file('saved_model.zip'),
    tfjs: await file('tfjs.zip'),
  };
  const { tensorflow = USUAL_TENSORFLOW, tfjs } = backendInfo();
  const { config, licence, training, opset } = source;
  const facts = { licence, candidates, opset, versions: { tensorflow, tfjs } };
  await writeFileAtomic(join(folder, 'rdf.yaml'), stringify(describePackage(config, files, facts)));
  const differences = [`at most ${LIMIT} in every form, or this package would not have been written`];
  await writeFileAtomic(join(folder, 'README.md'), packageReadme(config, { training, licence, differences }));
}

async function entries(folder: string, names: readonly string[]) {
  const read = async (name: string) => ({ name, data: await readFile(join(folder, name)) });
  return Promise.all(names.map(read));
}

const hashOf = async (path: string): Promise<string> => sha256(await readFile(path));
