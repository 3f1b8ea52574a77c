/**
 * Segmenting with many prompts, all forms in one run, alternating: time and CPU time, medians.
 *
 *   npm run bench -- segment            300 boxes on 1024 x 1024 with vit_b, 3 rounds
 *   npm run bench -- segment --quick    40 boxes, 1 round
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Random } from '../src/core/random.js';
import { CellSam, disposeEncoded } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import type { Prompt } from '../src/models/types.js';
import { TensorFlowEngine } from '../src/segment/engines/tensorflow.js';
import { MaskCanvas } from '../src/segment/merge.js';
import { tf } from '../src/tf/index.js';

const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 1 : 3;
const boxCount = isQuick ? 40 : 300;
const side = 1024;
const random = new Random('bench segment');
const model = CellSam.create(preset('vit_b'), random);
const engine = new TensorFlowEngine(model);
const image = Float32Array.from({ length: side * side * 3 }, () => random.normal());
const boxes: Prompt[] = Array.from({ length: boxCount }, () => {
  const [x, y] = [random.uniform(0, side - 60), random.uniform(0, side - 60)];
  return { kind: 'box', xyxy: [x, y, x + random.uniform(20, 60), y + random.uniform(20, 60)] };
});
const geometry = {
  side: engine.maskSide,
  frame: [side, side] as const,
  input: [side, side] as const,
  original: [side, side] as const,
};

/** One plain decoder call a box, both resizes to full size, threshold, as the published pipeline does. */
async function oneByOne(embedding: tf.Tensor4D): Promise<Uint8Array[]> {
  const masks: Uint8Array[] = [];
  for (const prompt of boxes) {
    if (prompt.kind !== 'box') continue;
    const full = tf.tidy(() => {
      const { masks: logits } = model.decode(embedding, { boxes: tf.tensor2d([...prompt.xyxy], [1, 4]) });
      return tf.image.resizeBilinear(logits, [side, side], false, true).greater(0).toInt();
    });
    masks.push(Uint8Array.from(await full.data()));
    full.dispose();
  }
  return masks;
}

/** The engine's way: batches in token-side form, drawn into one label image. */
async function batched(
  embedding: Awaited<ReturnType<typeof engine.encode>>,
  each?: (mask: Float32Array) => void,
) {
  const canvas = new MaskCanvas(geometry, 0.5);
  for (let at = 0; at < boxes.length; at += 8) {
    const part = boxes.slice(at, at + 8);
    const [masks] = await engine.decode(embedding, [part]);
    if (masks === undefined) throw new Error('no masks');
    const size = masks.side ** 2;
    for (let i = 0; i < part.length; i++) {
      const mask = masks.data.subarray(i * size, (i + 1) * size);
      canvas.add(mask, masks.quality[i] as number);
      each?.(mask);
    }
  }
  return canvas.labels();
}

interface Cost {
  readonly seconds: number;
  readonly cpu: number;
}

async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await work();
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - start) / 1000, cpu: (used.user + used.system) / 1e6 };
}

const median = (values: number[]): number =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
const costs = new Map<string, Cost[]>();
async function measure(name: string, work: () => Promise<unknown>): Promise<void> {
  costs.set(name, [...(costs.get(name) ?? []), await cost(work)]);
}

const embedding = await engine.encode(image, 1);
const own = (embedding as unknown as { encoded: { embedding: tf.Tensor4D } }).encoded.embedding;
await engine.decode(embedding, [boxes.slice(0, 8)]);

/** The two forms' logits differ by rounding alone, so binary masks differ at most where a logit is nearly zero. */
const sample = boxes.slice(0, 8);
const [fast] = await engine.decode(embedding, [sample]);
let differing = 0;
let furthest = 0;
for (const [i, prompt] of sample.entries()) {
  if (prompt.kind !== 'box' || fast === undefined) continue;
  const plain = tf.tidy(() =>
    model.decode(own, { boxes: tf.tensor2d([...prompt.xyxy], [1, 4]) }).masks.dataSync(),
  );
  for (let p = 0; p < plain.length; p++) {
    const [a, b] = [plain[p] as number, fast.data[i * plain.length + p] as number];
    if (a > 0 !== b > 0) differing++;
    furthest = Math.max(furthest, Math.abs(a - b));
  }
}
console.log(
  `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, ${boxCount} boxes, ${rounds} rounds`,
);
console.log(
  `masks of both forms: ${differing} pixels of ${sample.length} masks differ, logits by at most ${furthest}`,
);

for (let round = 0; round < rounds; round++) {
  await measure('decode: one call per box', () => oneByOne(own));
  await measure('decode: batched, token side', () => batched(embedding));
  await measure('end to end: reference (two encoder passes, one call per box)', async () => {
    const input = tf.tensor4d(image, [1, side, side, 3]);
    const first = model.encode(input);
    const second = model.encode(input);
    tf.dispose(model.detect(first));
    await oneByOne(second.embedding);
    disposeEncoded(first);
    disposeEncoded(second);
    input.dispose();
  });
  await measure('end to end: ours (one pass, batched)', async () => {
    const mine = await engine.encode(image, 1);
    await engine.detect(mine);
    await batched(mine);
    engine.release(mine);
  });
}
engine.release(embedding);

const mid = (name: string): Cost => {
  const all = costs.get(name) ?? [];
  return { seconds: median(all.map((c) => c.seconds)), cpu: median(all.map((c) => c.cpu)) };
};
for (const name of costs.keys()) {
  const { seconds, cpu } = mid(name);
  console.log(`${name.padEnd(66)} ${seconds.toFixed(2)} s   CPU ${cpu.toFixed(2)} s`);
}
const [single, many, reference, ours] = [...costs.keys()].map(mid) as [Cost, Cost, Cost, Cost];
const ratio = (a: Cost, b: Cost): string =>
  `${(a.seconds / b.seconds).toFixed(2)}x time, ${(a.cpu / b.cpu).toFixed(2)}x CPU`;
console.log(`batched against one call per box   ${ratio(single, many)}   (wanted: 1.8x)`);
console.log(`end to end against the reference   ${ratio(reference, ours)}   (wanted: 2.5x)`);

const torch = fileURLToPath(new URL('../../bench/segment_torch.py', import.meta.url));
const python = process.env['PYTHON'] ?? 'python3';
const run = spawnSync(python, [torch, String(boxCount), String(rounds)], { encoding: 'utf8' });
if (run.status === 0) {
  const theirs = JSON.parse(run.stdout) as Cost;
  console.log(
    `PyTorch eager, reference way        ${theirs.seconds.toFixed(2)} s   CPU ${theirs.cpu.toFixed(2)} s`,
  );
  console.log(`end to end against PyTorch eager   ${ratio(theirs, ours)}   (wanted: 2x)`);
} else console.log('PyTorch: not measured (set PYTHON to a Python with torch)');
