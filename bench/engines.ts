/**
 * Real images segmented by TensorFlow and by ONNX Runtime, with float32, float16 and int8 files: whether they find the
 * same cells, and how long an image takes.
 *
 *   npm run bench -- engines [model.safetensors] [images]      the shipped model, 20 held-out images
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportModel } from '../src/export/exportModel.js';
import { agreementOf } from '../src/jobs/agreement.js';
import { CellSegmenter } from '../src/segment/cellSegmenter.js';
import { TensorFlowEngine } from '../src/segment/engines/tensorflow.js';
import { loadModelFile } from '../src/weights/modelFile.js';
import { shippedModel } from '../src/weights/shippedModel.js';
import { heldOutImages } from './support/realImages.js';

const [path = shippedModel, count = '20'] = process.argv.slice(2);
const images = await heldOutImages(Number(count));
const { model, card } = await loadModelFile(path);
const folder = mkdtempSync(join(tmpdir(), 'bench-engines-'));
try {
  const { thresholds, scaling } = card;
  const options = { to: ['onnx'], smaller: ['float16', 'int8'], out: folder, images: [] } as const;
  await exportModel(model, { ...options, thresholds, scaling });
  const live = new CellSegmenter(model, {}, thresholds, new TensorFlowEngine(model, scaling));
  const wanted = ['float32', 'float16', 'int8'] as const;
  console.log(`${path}, ${images.length} images`);
  for (const a of await agreementOf(live, join(folder, 'onnx'), images, wanted))
    console.log(
      `${a.precision.padEnd(8)} ${a.exported} cells, TensorFlow ${a.live}; mean F1 ${a.meanF1.toFixed(4)}, mean IoU of pairs ${a.meanIou.toFixed(4)}; median image ${a.seconds[1].toFixed(2)} s, TensorFlow ${a.seconds[0].toFixed(2)} s`,
    );
  console.log('wanted: mean F1 of float32 at least 0.999');
} finally {
  rmSync(folder, { recursive: true });
  model.dispose();
}
