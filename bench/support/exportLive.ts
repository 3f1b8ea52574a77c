/**
 * The part of `bench/exported.ts` that needs the live model, in a process of its own: when it ends, its memory is free
 * for Python. Writes the forms, `verification.json` and the cases for Python.
 *
 *   node exportLive.js OUT MODEL SIDE FORMS IMAGES      SIDE '' for the model's own
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeCases } from '../../scripts/export/python.js';
import { ExportError } from '../../src/core/errors.js';
import { Random } from '../../src/core/random.js';
import { exportModel } from '../../src/export/exportModel.js';
import { signatureNames } from '../../src/export/targets/savedmodel.js';
import type { TargetName } from '../../src/export/targets/targets.js';
import type { Case } from '../../src/export/verify/cases.js';
import { CellSam } from '../../src/models/cellsam.js';
import { PRESETS, preset } from '../../src/models/presets.js';
import { tf } from '../../src/tf/index.js';
import { loadModelFile } from '../../src/weights/modelFile.js';
import { peakMiB } from './measure.js';
import { heldOutImages } from './realImages.js';

const [out = '', name = '', side = '', forms = '', count = ''] = process.argv.slice(2);
const DEVIATION = 0.02;

/** Matrices and filters of one deviation, from a million numbers, each from another place; what has one axis as published. */
function random(): CellSam {
  const config = preset(name);
  const vit = { ...config.vit, imgSize: side === '' ? config.vit.imgSize : Number(side) };
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

const start = performance.now();
const model = name in PRESETS ? random() : (await loadModelFile(name)).model;
const images = await heldOutImages(Number(count));
console.log(`${name}, frame of ${model.config.vit.imgSize} px, ${images.length} images`);
let cases: readonly Case[] = [];
const onCases = (found: readonly Case[]) => {
  cases = found;
};
const emit = (event: { readonly kind: string; readonly title?: string }) => {
  if (event.kind !== 'stage') return;
  const [seconds, gigabytes] = [(performance.now() - start) / 1000, peakMiB() / 1024];
  console.log(`${seconds.toFixed(0)} s, at most ${gigabytes.toFixed(1)} GiB resident: ${event.title}`);
};
const options = { to: forms.split(',') as TargetName[], out, images, onCases };
await exportModel(model, options, { emit }).catch((thrown: unknown) => {
  // Python is asked also where outputs differ.
  if (!(thrown instanceof ExportError) || !existsSync(join(out, 'verification.json'))) throw thrown;
  console.log(thrown.message);
});
await writeCases(join(out, 'onnx.cases.safetensors'), cases, (program) =>
  program === 'segment_boxes' ? undefined : program,
);
await writeCases(join(out, 'savedmodel.cases.safetensors'), cases, (program) => signatureNames[program]);
emit({ kind: 'stage', title: 'Done' });
