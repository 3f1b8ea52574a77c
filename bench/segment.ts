/**
 * Segmenting with many prompts, all forms in one run and alternating, PyTorch's too where Python has torch: time and CPU
 * time; each ratio is the median of the ratios of the rounds.
 *
 *   npm run bench -- segment                  300 boxes on 1024 x 1024 with vit_b, 3 rounds
 *   npm run bench -- segment --quick          40 boxes, 1 round
 *   npm run bench -- segment --rounds 5       more rounds; --per-call 32: more boxes a call
 */
import { cpus } from 'node:os';
import { Random } from '../src/core/random.js';
import { CellSam, disposeEncoded } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import { disposeShared } from '../src/models/sam/sharedImage.js';
import { upscaleMasks } from '../src/models/sam/upscaleMasks.js';
import type { MaskLogits } from '../src/models/types.js';
import { Drawing } from '../src/segment/drawing.js';
import { TensorFlowEngine } from '../src/segment/engines/tensorflow.js';
import { Upscaler } from '../src/segment/upscale.js';
import { tf } from '../src/tf/index.js';
import { LineProcess } from './support/lineProcess.js';
import { option } from './support/measure.js';
import { median } from './support/pairs.js';

const isQuick = process.argv.includes('--quick');
const rounds = option('rounds', isQuick ? 1 : 3);
const boxCount = isQuick ? 40 : 300;
const perCall = option('per-call', 16);
const side = 1024;
const random = new Random('bench segment');
const model = CellSam.create(preset('vit_b'), random);
const engine = new TensorFlowEngine(model);
const image = Float32Array.from({ length: side * side * 3 }, () => random.normal());
/** A box prompt of 20 to 60 px. */
interface Box {
  readonly kind: 'box';
  readonly xyxy: readonly [number, number, number, number];
}
const boxes = Array.from({ length: boxCount }, (): Box => {
  const [x, y] = [random.uniform(0, side - 60), random.uniform(0, side - 60)];
  return { kind: 'box', xyxy: [x, y, x + random.uniform(20, 60), y + random.uniform(20, 60)] };
});
const whole = { height: side, width: side };
const geometry = {
  side: engine.maskSide,
  frame: [side, side] as const,
  input: [side, side] as const,
  original: [side, side] as const,
};

/** Binary masks, one plain decoder call a box, both resizes, threshold and all masks kept, as the published pipeline does. */
async function oneByOne(embedding: tf.Tensor4D): Promise<Uint8Array[]> {
  const masks: Uint8Array[] = [];
  for (const { xyxy } of boxes) {
    const full = tf.tidy(() => {
      const { masks: logits } = model.decode(embedding, { boxes: tf.tensor2d([...xyxy], [1, 4]) });
      return upscaleMasks(logits, whole, whole, whole).greater(0);
    });
    masks.push(await full.data<'bool'>());
    full.dispose();
  }
  return masks;
}

type Embedding = Awaited<ReturnType<typeof engine.encode>>;

/** Several prompts a call. */
async function decoded(
  embedding: Embedding,
  each: (masks: MaskLogits, indices: readonly number[], left: number) => void | Promise<void>,
): Promise<void> {
  for (let at = 0; at < boxes.length; at += perCall) {
    const part = boxes.slice(at, at + perCall);
    const [masks] = await engine.decode(embedding, [part]);
    if (masks === undefined) throw new Error('no masks');
    await each(masks, [...part.keys()], boxes.length - at);
  }
}

/** The segmenter's way: several prompts a call, drawn into one label image. */
async function batched(embedding: Embedding): Promise<void> {
  const drawing = new Drawing(geometry, 0.5);
  await decoded(embedding, (masks, indices, left) => drawing.add(masks, indices, left));
  await drawing.labels();
  await drawing.close();
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

/** Both forms differ by rounding, so a mask can differ only where a logit is zero up to rounding. */
async function compare(embedding: Embedding, plain: readonly Uint8Array[]): Promise<void> {
  const upscaler = new Upscaler(geometry);
  let [differing, inside, most, largest] = [0, 0, 0, 0];
  await decoded(embedding, ({ data, side: low }, indices, left) => {
    for (const i of indices) {
      const full = upscaler.full(data.subarray(i * low * low, (i + 1) * low * low));
      const reference = plain[boxCount - left + i] as Uint8Array;
      for (let p = 0; p < full.length; p++) {
        const logit = full[p] as number;
        largest = Math.max(largest, Math.abs(logit));
        inside += reference[p] as number;
        if (logit > 0 === (reference[p] === 1)) continue;
        differing++;
        most = Math.max(most, Math.abs(logit));
      }
    }
  });
  console.log(
    `masks of both forms: ${differing} of ${boxCount * side * side} pixels differ (${inside} are inside); ` +
      `where they do the logit is at most ${most.toExponential(1)}, of ${largest.toFixed(1)} at most: rounding`,
  );
}

/** What is measured, in the order of a round. */
const forms = ['one call per box', 'batched', 'reference', 'ours', 'PyTorch'] as const;
type Form = (typeof forms)[number];
const names: Readonly<Record<Form, string>> = {
  'one call per box': 'decode: one call per box',
  batched: `decode: ${perCall} boxes a call, what is common computed once`,
  reference: 'end to end: reference (two encoder passes, one call per box)',
  ours: 'end to end: ours (one pass, batched)',
  PyTorch: 'end to end: reference in PyTorch eager',
};
const costs = new Map<Form, Cost[]>();
async function measure(form: Form, work: () => Promise<Cost>): Promise<void> {
  const found = await work();
  costs.set(form, [...(costs.get(form) ?? []), found]);
  console.log(`  ${names[form].padEnd(66)} ${found.seconds.toFixed(2)} s   CPU ${found.cpu.toFixed(2)} s`);
}

/** Medians over rounds of the ratio of two forms. */
function ratio(of: Form, to: Form): string {
  const [a, b] = [costs.get(of) ?? [], costs.get(to) ?? []];
  const middle = (key: keyof Cost) => median(a.map((c, i) => c[key] / (b[i] as Cost)[key]));
  return `${middle('seconds').toFixed(2)}x time, ${middle('cpu').toFixed(2)}x CPU`;
}

const torch = await LineProcess.open('segment_torch.py', [String(boxCount)]);
console.log(
  `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, ${boxCount} boxes, ${rounds} rounds`,
);
try {
  const embedding = await engine.encode(image, 1);
  const own = embedding.masks();
  const started = performance.now();
  await engine.decode(embedding, [boxes.slice(0, perCall)]);
  const seconds = (performance.now() - started) / 1000;
  console.log(`the first call, once a process, not counted below: ${seconds.toFixed(2)} s`);
  for (let round = 0; round < rounds; round++) {
    console.log(`round ${round + 1}`);
    let plain: readonly Uint8Array[] = [];
    await measure('one call per box', () => cost(async () => (plain = await oneByOne(own))));
    await measure('batched', () =>
      cost(async () => {
        // A fresh embedding, so that what is common to its prompts is computed within the measured time.
        const fresh: Embedding = { ...embedding, shared: [] };
        await batched(fresh);
        for (const shared of fresh.shared) if (shared !== undefined) disposeShared(shared);
      }),
    );
    if (round === 0) await compare(embedding, plain);
    plain = [];
    await measure('reference', () =>
      cost(async () => {
        const input = tf.tensor4d(image, [1, side, side, 3]);
        const first = model.encode(input);
        tf.dispose(model.detect(first));
        const second = model.encode(input);
        await oneByOne(second.embedding);
        disposeEncoded(first);
        disposeEncoded(second);
        input.dispose();
      }),
    );
    await measure('ours', () =>
      cost(async () => {
        const mine = await engine.encode(image, 1);
        await engine.detect(mine);
        await batched(mine);
        engine.release(mine);
      }),
    );
    if (torch !== undefined) await measure('PyTorch', async () => JSON.parse(await torch.ask('')) as Cost);
  }
  engine.release(embedding);
} finally {
  torch?.close();
}
console.log(`batched against one call per box   ${ratio('one call per box', 'batched')}   (wanted: 1.8x)`);
console.log(`end to end against the reference   ${ratio('reference', 'ours')}   (wanted: 2.5x)`);
if (torch === undefined) console.log('PyTorch: not measured (set PYTHON to a Python with torch)');
else console.log(`end to end against PyTorch eager   ${ratio('PyTorch', 'ours')}   (wanted: 2x)`);
