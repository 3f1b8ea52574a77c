import { annotatedFields } from '../src/adapt/annotated.js';
import { fixedViews } from '../src/adapt/views.js';
import { Random } from '../src/core/random.js';
import { toBatch } from '../src/data/batches.js';
import { simulate } from '../src/data/simulate/simulate.js';
import { CellSam } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { gradientsOf } from '../src/train/gradients.js';
import { PartGraphs } from '../src/train/partGraphs.js';
import { AdamW } from '../src/train/optimiser/adamw.js';
import { trainOptions } from '../src/train/options.js';
import { lossOptions } from '../src/train/stages/options.js';
import { stageLoss } from '../src/train/stages/stage.js';

const config = preset('small');
const side = config.vit.imgSize;
const model = CellSam.create(config, new Random('bench small'));
const fields = annotatedFields(
  [1, 2, 3, 4, 5, 6].map((seed) => simulate({ modality: 'fluorescence', side, seed })),
);
const views = fixedViews(fields, { side, scales: [1], limit: 6 }, new Random(0));
const trained = model.parameters.names().filter((name) => model.parameters.get(name).trainable);
const optimiser = new AdamW(model.parameters, { betas: [0.9, 0.99], eps: 1e-8, weightDecay: () => 0 });
const stage = lossOptions(trainOptions.parse({ stage: 'joint', promptsPerImage: 2 }), trained);
const { pixelMean, pixelStd } = config;
const batch = {
  ...toBatch(views, { side, pixelMean, pixelStd } as any),
  cursor: { epoch: 0, position: 0, random: [] },
};
const table = new Map<string, { n: number; cpu: number; ms: number }>();
let on = false;
const add = (key: string, f: () => any) => {
  if (!on) return f();
  const c = process.cpuUsage(),
    b = performance.now();
  const r = f();
  const e = process.cpuUsage(c);
  const t = table.get(key) ?? { n: 0, cpu: 0, ms: 0 };
  t.n++;
  t.cpu += (e.user + e.system) / 1e6;
  t.ms += performance.now() - b;
  table.set(key, t);
  return r;
};
const backend: any = tf.backend();
for (const name of ['executeSingleOutput', 'executeMultipleOutputs']) {
  const original = backend[name].bind(backend);
  backend[name] = (...args: any[]) =>
    add(
      `${args[0]} ${process.env['SHAPES'] ? args[2].map((t: any) => (t.shape ?? []).join('x')).join(',') : ''}`,
      () => original(...args),
    );
}
const N = 8;
for (const graphs of [undefined, new PartGraphs(console.warn), undefined, new PartGraphs(console.warn)]) {
  table.clear();
  const cpus: number[] = [],
    walls: number[] = [];
  for (let i = 0; i <= N; i++) {
    on = i > 1 && process.env['PROFILE'] !== undefined;
    await graphs?.ready();
    const start = process.cpuUsage();
    const began = performance.now();
    const { grads } = gradientsOf(
      model.parameters,
      trained,
      () => stageLoss(model, batch, stage, new Random(i)).total,
      { recompute: false, runner: graphs },
    );
    optimiser.apply(grads, () => 1e-5);
    tf.dispose([...grads.values()]);
    const { user, system } = process.cpuUsage(start);
    if (i > 1) {
      cpus.push((user + system) / 1e6);
      walls.push(performance.now() - began);
    }
  }
  on = false;
  cpus.sort((a, b) => a - b);
  walls.sort((a, b) => a - b);
  console.log(
    graphs === undefined ? 'eager' : 'graphs',
    'median cpu',
    cpus[cpus.length >> 1],
    'wall',
    walls[walls.length >> 1],
    'rss',
    process.memoryUsage().rss / 2 ** 20,
  );
  const all = [...table];
  if (all.length)
    console.log(
      'in kernels',
      all.reduce((s, [, t]) => s + t.cpu, 0) / (N - 1),
      'wall',
      all.reduce((s, [, t]) => s + t.ms, 0) / (N - 1),
      'count',
      all.reduce((s, [, t]) => s + t.n, 0) / (N - 1),
    );
  for (const [k, t] of all.sort((a, b) => b[1].cpu - a[1].cpu).slice(0, 60))
    console.log((t.cpu / (N - 1)).toFixed(3), (t.ms / (N - 1)).toFixed(0), t.n / (N - 1), k);
}
