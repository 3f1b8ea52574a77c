/**
 * Memory over many images in one process, with the shipped model: all are segmented and their labels written, and the
 * resident memory is noted after every tenth of them.
 *
 *   npm run bench -- many            1,000 images of 128 x 128
 *   npm run bench -- many --quick    60 images
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { Random } from '../src/core/random.js';
import { segmentFiles, segmentJob, shippedModel } from '../src/jobs/segment.js';
import { tf } from '../src/tf/index.js';

const count = process.argv.includes('--quick') ? 60 : 1000;
const side = 128;
const folder = mkdtempSync(join(tmpdir(), 'bench-many-'));
const MB = 1e6;

/** Four to eight bright disks on dark noise: the shipped model finds most of them. */
function disks(random: Random): Uint8Array {
  const data = Uint8Array.from({ length: side * side }, () => random.integer(30));
  for (let n = 4 + random.integer(5); n > 0; n--) {
    const [cx, cy, r] = [random.uniform(12, side - 12), random.uniform(12, side - 12), random.uniform(6, 11)];
    for (let i = 0; i < data.length; i++)
      if (Math.hypot((i % side) - cx, Math.floor(i / side) - cy) < r) data[i] = 150 + random.integer(60);
  }
  return data;
}

try {
  const random = new Random('many');
  for (let i = 0; i < count; i++) {
    const png = encode({ width: side, height: side, channels: 1, data: disks(random) });
    writeFileSync(join(folder, `${String(i).padStart(4, '0')}.png`), png);
  }
  const job = segmentJob.parse({
    model: shippedModel,
    inputs: [folder],
    out: join(folder, 'out'),
    save: ['tiff', 'csv'],
    segment: { zoom: 1 },
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
