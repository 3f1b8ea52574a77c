/**
 * A model in every form against the live one, in every runtime that is here: onnxruntime-node, tfjs-node and, where
 * `PYTHON` has their packages, Python's onnx checker, onnxruntime and TensorFlow; prompts 1, 7 and 64 through one file.
 * Too heavy for `npm test`, which does the same with small models. The live model is in a process that has ended when
 * Python starts.
 *
 *   npm run bench -- exported                                vit_b at 1024 x 1024, random weights of deviation 0.02
 *   npm run bench -- exported --model FILE                   a model file, on real images
 *   npm run bench -- exported --model vit_h --side 256 --to onnx,savedmodel
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkInPython, hasModules, python } from '../scripts/export/python.js';
import type { ExportResult } from '../src/export/exportModel.js';

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    model: { type: 'string', default: 'vit_b' },
    side: { type: 'string', default: '' },
    to: { type: 'string', default: 'onnx,savedmodel,tfjs' },
    images: { type: 'string', default: '2' },
  },
});
const live = fileURLToPath(new URL('support/exportLive.js', import.meta.url));

/** The ways to load each form in Python, with the packages that they need. */
const LOADERS = [
  { loader: 'onnx', form: 'onnx', modules: ['onnx', 'onnxruntime'] },
  { loader: 'savedmodel', form: 'savedmodel', modules: ['tensorflow'] },
  { loader: 'serving', form: 'savedmodel', modules: ['tensorflow'] },
] as const;

const bytesIn = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);

const out = mkdtempSync(join(tmpdir(), 'bench-exported-'));
const worst = new Map<string, number>();
const note = (where: string, relative: number) => {
  worst.set(where, Math.max(relative, worst.get(where) ?? 0));
};
try {
  const { model, side, to, images } = values;
  spawnSync(process.execPath, [live, out, model, side, to, images], { stdio: 'inherit' });
  const table = join(out, 'verification.json');
  if (!existsSync(table)) throw new Error('the export ended before it was compared');
  const { comparisons, notes } = JSON.parse(readFileSync(table, 'utf8')) as ExportResult;
  for (const { target, runtime, output, relative } of comparisons)
    note(`${target} in ${runtime}, ${output}`, relative);
  const forms = to.split(',');
  for (const form of forms) console.log(`${form}: ${(bytesIn(join(out, form)) / 1e6).toFixed(1)} MB`);
  for (const line of notes) console.log(line);
  for (const { loader, form, modules } of LOADERS) {
    if (!forms.includes(form)) continue;
    if (!hasModules(modules)) {
      console.log(`${loader} in Python: skipped, ${python} has no ${modules.join(', ')}`);
      continue;
    }
    const start = performance.now();
    for (const { output, relative } of checkInPython(
      loader,
      join(out, form),
      join(out, `${form}.cases.safetensors`),
    ))
      note(`${loader} in Python, ${output}`, relative);
    console.log(`${loader} checked in Python: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  }
  for (const [where, relative] of worst) console.log(`${relative.toExponential(1)}  ${where}`);
  const largest = Math.max(...worst.values());
  console.log(`largest: ${largest.toExponential(1)}; wanted: at most 1e-4${largest <= 1e-4 ? '; met' : ''}`);
  process.exitCode = largest <= 1e-4 ? 0 : 1;
} finally {
  rmSync(out, { recursive: true });
}
