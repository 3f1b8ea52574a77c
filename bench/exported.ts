/**
 * A model in every form against the live one, in every runtime that is here: onnxruntime-node, tfjs-node and, where
 * `PYTHON` has their packages, Python's onnx checker, onnxruntime and TensorFlow; prompts 1, 7 and 64 through one file.
 * Too heavy for `npm test`, which does the same with small models.
 *
 *   npm run bench -- exported                                vit_b at 1024 x 1024, random weights of deviation 0.02
 *   npm run bench -- exported --model FILE                   a model file, on real images
 *   npm run bench -- exported --model vit_h --side 256 --to onnx,savedmodel
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkInPython, hasModules, python } from '../scripts/export/python.js';
import { ExportError } from '../src/core/errors.js';
import { Random } from '../src/core/random.js';
import { type ExportResult, exportModel } from '../src/export/exportModel.js';
import { signatureNames } from '../src/export/targets/savedmodel.js';
import type { TargetName } from '../src/export/targets/targets.js';
import type { Case } from '../src/export/verify/cases.js';
import { CellSam } from '../src/models/cellsam.js';
import { PRESETS, preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { loadModelFile } from '../src/weights/modelFile.js';
import { heldOutImages } from './support/realImages.js';

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    model: { type: 'string', default: 'vit_b' },
    side: { type: 'string' },
    to: { type: 'string', default: 'onnx,savedmodel,tfjs' },
    images: { type: 'string', default: '2' },
  },
});
const DEVIATION = 0.02;

/** Matrices and filters of one deviation, from a million numbers, each from another place; what has one axis as published. */
function random(name: string, side: string | undefined): CellSam {
  const config = preset(name);
  const vit = { ...config.vit, imgSize: Number(side ?? config.vit.imgSize) };
  const draw = new Random('exported');
  const model = CellSam.create({ ...config, vit }, draw);
  const normal = Float32Array.from({ length: 1_000_003 }, () => draw.normal(0, DEVIATION));
  for (const key of model.parameters.names()) {
    const { shape, size } = model.parameters.get(key);
    if (shape.length < 2) continue;
    const data = new Float32Array(size);
    const first = Math.floor(draw.uniform(0, normal.length));
    for (let i = 0; i < size; i++) data[i] = normal[(first + i) % normal.length] as number;
    tf.tidy(() => model.parameters.assign(key, tf.tensor(data, shape)));
  }
  return model;
}

const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(0)} s`;
const memory = () => `${(process.memoryUsage.rss() / 1e9).toFixed(1)} GB resident`;
const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

const model =
  values.model in PRESETS ? random(values.model, values.side) : (await loadModelFile(values.model)).model;
const images = await heldOutImages(Number(values.images));
const out = mkdtempSync(join(tmpdir(), 'bench-exported-'));
const worst = new Map<string, number>();
const note = (where: string, relative: number) => {
  worst.set(where, Math.max(relative, worst.get(where) ?? 0));
};
/** What was compared, when the export ended because outputs differ: Python is to be asked all the same. */
function tableOf(thrown: unknown): Pick<ExportResult, 'comparisons' | 'notes'> {
  const table = join(out, 'verification.json');
  if (!(thrown instanceof ExportError) || !existsSync(table)) throw thrown;
  console.log(thrown.message);
  return JSON.parse(readFileSync(table, 'utf8')) as ExportResult;
}
try {
  console.log(
    `${values.model}, frame of ${model.config.vit.imgSize} px, ${images.length} images, ${memory()}`,
  );
  let start = performance.now();
  const to = values.to.split(',') as TargetName[];
  let cases: readonly Case[] = [];
  const onCases = (found: readonly Case[]) => {
    cases = found;
    console.log(`traced, and run live: ${seconds(start)}, ${memory()}`);
  };
  const { comparisons, notes } = await exportModel(model, { to, out, images, onCases }).catch(tableOf);
  for (const { target, runtime, output, relative } of comparisons)
    note(`${target} in ${runtime}, ${output}`, relative);
  console.log(`written and compared: ${seconds(start)}, ${memory()}`);
  for (const name of to) console.log(`${name}: ${(bytesIn(join(out, name)) / 1e6).toFixed(1)} MB`);
  for (const line of notes) console.log(line);
  for (const [kind, modules, names] of [
    [
      'onnx',
      ['onnx', 'onnxruntime'],
      (program: string) => (program === 'segment_boxes' ? undefined : program),
    ],
    ['savedmodel', ['tensorflow'], (program: string) => signatureNames[program]],
  ] as const) {
    if (!to.includes(kind)) continue;
    if (!hasModules(modules)) {
      console.log(`${kind} in Python: skipped, ${python} has no ${modules.join(', ')}`);
      continue;
    }
    start = performance.now();
    for (const { output, relative } of await checkInPython(kind, join(out, kind), cases, names))
      note(`${kind} in Python, ${output}`, relative);
    console.log(`${kind} checked in Python: ${seconds(start)}`);
  }
  for (const [where, relative] of worst) console.log(`${relative.toExponential(1)}  ${where}`);
  const largest = Math.max(...worst.values());
  console.log(`largest: ${largest.toExponential(1)}; wanted: at most 1e-4${largest <= 1e-4 ? '; met' : ''}`);
  process.exitCode = largest <= 1e-4 ? 0 : 1;
} finally {
  rmSync(out, { recursive: true });
  model.dispose();
}
