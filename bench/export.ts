/**
 * The exported model against the live one, end to end (encode, detect, 32 boxes), in pairs within one run. The order of a
 * pair alternates; medians are printed, of time and of CPU time.
 *
 *   npm run bench -- export            vit_b at 1024 x 1024, 4 pairs
 *   npm run bench -- export --quick    the small model, 2 pairs
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../src/core/random.js';
import { exportModel } from '../src/export/exportModel.js';
import { CellSam } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import type { Prompt } from '../src/models/types.js';
import type { Engine } from '../src/segment/engine.js';
import { OnnxEngine } from '../src/segment/engines/onnx.js';
import { TensorFlowEngine } from '../src/segment/engines/tensorflow.js';

const isQuick = process.argv.includes('--quick');
const pairs = isQuick ? 2 : 4;
const name = isQuick ? 'tiny' : 'vit_b';
const random = new Random('bench export');
const model = CellSam.create(preset(name), random);
const folder = mkdtempSync(join(tmpdir(), 'bench-export-'));
const started = performance.now();
await exportModel(model, { to: ['onnx'], out: folder, images: [] });
const exported = (performance.now() - started) / 1000;
const live = new TensorFlowEngine(model);
const { engine: onnx } = await OnnxEngine.open(join(folder, 'onnx'));
rmSync(folder, { recursive: true });

const { side } = live;
const image = Float32Array.from({ length: 3 * side * side }, () => random.normal());
const boxes: Prompt[] = Array.from({ length: 32 }, () => {
  const [x, y] = [random.uniform(0, 0.9 * side), random.uniform(0, 0.9 * side)];
  return { kind: 'box', xyxy: [x, y, x + random.uniform(20, 60), y + random.uniform(20, 60)] };
});

interface Cost {
  readonly encode: number;
  readonly detect: number;
  readonly decode: number;
  readonly total: number;
  /** CPU seconds of the whole. */
  readonly cpu: number;
}

async function once(engine: Engine): Promise<Cost> {
  const before = process.cpuUsage();
  const times = [performance.now()];
  const embedding = await engine.encode(image, 1);
  times.push(performance.now());
  await engine.detect(embedding);
  times.push(performance.now());
  for (let at = 0; at < boxes.length; at += 8) await engine.decode(embedding, [boxes.slice(at, at + 8)]);
  times.push(performance.now());
  engine.release(embedding);
  const [a = 0, b = 0, c = 0, d = 0] = times.map((t) => t / 1000);
  const { user, system } = process.cpuUsage(before);
  return { encode: b - a, detect: c - b, decode: d - c, total: d - a, cpu: (user + system) / 1e6 };
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle - 1)] as number) + (sorted[Math.floor(middle)] as number)) / 2;
};

console.log(`${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, ${name}, ${pairs} pairs`);
console.log(`exported to ONNX in ${exported.toFixed(1)} s`);
await once(onnx);
await once(live);
const costs: { readonly live: Cost; readonly onnx: Cost }[] = [];
for (let pair = 0; pair < pairs; pair++) {
  const isLiveFirst = pair % 2 === 0;
  const first = await once(isLiveFirst ? live : onnx);
  const second = await once(isLiveFirst ? onnx : live);
  const cost = isLiveFirst ? { live: first, onnx: second } : { live: second, onnx: first };
  costs.push(cost);
  console.log(
    `pair ${pair + 1}: TensorFlow ${cost.live.total.toFixed(2)} s (CPU ${cost.live.cpu.toFixed(1)} s), ONNX Runtime ${cost.onnx.total.toFixed(2)} s (CPU ${cost.onnx.cpu.toFixed(1)} s), load ${(loadavg()[0] as number).toFixed(1)}`,
  );
}
for (const part of ['encode', 'detect', 'decode', 'total', 'cpu'] as const) {
  const of = (engine: 'live' | 'onnx') => median(costs.map((c) => c[engine][part]));
  const ratio = median(costs.map((c) => c.live[part] / c.onnx[part]));
  console.log(
    `${part.padEnd(7)} TensorFlow ${of('live').toFixed(2)} s   ONNX Runtime ${of('onnx').toFixed(2)} s   ratio ${ratio.toFixed(2)}${part === 'total' ? '   (wanted: 1; aim: 1.3)' : ''}`,
  );
}
onnx.dispose();
model.dispose();
