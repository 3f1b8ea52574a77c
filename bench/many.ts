/**
 * Memory over many images in one process: all are segmented and their labels written, and the resident memory is noted
 * after every tenth of them.
 *
 *   npm run bench -- many            1,000 images of 128 x 128
 *   npm run bench -- many --quick    60 images
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { Random } from '../src/core/random.js';
import { segmentFiles, segmentJob } from '../src/jobs/segment.js';
import { CellSam } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { saveModelFile } from '../src/weights/modelFile.js';

const count = process.argv.includes('--quick') ? 60 : 1000;
const side = 128;
const folder = mkdtempSync(join(tmpdir(), 'bench-many-'));
const MB = 1e6;
try {
  const random = new Random('many');
  for (let i = 0; i < count; i++) {
    const data = Uint8Array.from({ length: side * side }, () => random.integer(256));
    const png = encode({ width: side, height: side, channels: 1, data });
    writeFileSync(join(folder, `${String(i).padStart(4, '0')}.png`), png);
  }
  const model = CellSam.create(preset('tiny'), random);
  const file = join(folder, 'model.safetensors');
  // An untrained detector's scores lie near 0.01: some boxes in every image pass.
  const thresholds = { box: 0.0105, boxShare: 1, meanShare: 0, iou: -10, mask: 0.5 };
  await saveModelFile(file, model.toArrays(), {
    config: model.config,
    thresholds,
    training: 'none',
    licence: 'none',
  });
  model.dispose();
  const job = segmentJob.parse({
    model: file,
    inputs: [folder],
    out: join(folder, 'out'),
    save: ['tiff', 'csv'],
  });
  const seen: number[] = [];
  const { images, seconds } = await segmentFiles(job, {
    emit: (event) => {
      if (event.kind === 'progress' && event.unit === 'images' && event.done % (count / 10) === 0)
        seen.push(process.memoryUsage.rss());
    },
  });
  const cells = images.reduce((n, image) => n + image.cells, 0);
  console.log(`${images.length} images, ${cells} cells, ${(images.length / seconds).toFixed(1)} images/s`);
  console.log(`resident memory after each tenth, MB: ${seen.map((b) => (b / MB).toFixed(0)).join(' ')}`);
  console.log(`tensors left: ${tf.memory().numTensors}`);
  const [third = 0, last = 0] = [seen[2], seen.at(-1)];
  console.log(`from the third tenth to the last: ${((last - third) / MB).toFixed(0)} MB (wanted: flat)`);
} finally {
  rmSync(folder, { recursive: true });
}
