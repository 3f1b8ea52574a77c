/**
 * A training step of a small model with its encoder and detector as graphs of TensorFlow's, and operation by operation:
 * pairs on two copies of one model, with the losses of both.
 *
 *   npm run bench -- graphs                    small, 6 images of 256 x 256, 8 pairs after two warm-ups
 *   npm run bench -- graphs --pairs 20
 */
import { annotatedFields } from '../src/adapt/annotated.js';
import { fixedViews } from '../src/adapt/views.js';
import { Random } from '../src/core/random.js';
import { toBatch } from '../src/data/batches.js';
import { simulate } from '../src/data/simulate/simulate.js';
import { CellSam } from '../src/models/cellsam.js';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { gradientsOf } from '../src/train/gradients.js';
import { AdamW } from '../src/train/optimiser/adamw.js';
import { trainOptions } from '../src/train/options.js';
import { PartGraphs } from '../src/train/partGraphs.js';
import { lossOptions } from '../src/train/stages/options.js';
import { stageLoss } from '../src/train/stages/stage.js';
import { option, timed } from './support/measure.js';
import { median } from './support/pairs.js';

const count = option('pairs', 8);
const images = 6;
const config = preset('small');
const side = config.vit.imgSize;
const fields = annotatedFields(
  Array.from({ length: images }, (_, seed) => simulate({ modality: 'fluorescence', side, seed })),
);
const views = fixedViews(fields, { side, scales: [1], limit: images }, new Random(0));
const { pixelMean, pixelStd } = config;
const scale = { side, pixelMean, pixelStd } as Parameters<typeof toBatch>[1];
const batch = { ...toBatch(views, scale), cursor: { epoch: 0, position: 0, random: [] } };

function copy(graphs: PartGraphs | undefined) {
  const model = CellSam.create(config, new Random('bench graphs'));
  const { parameters } = model;
  const trained = parameters.names().filter((name) => parameters.get(name).trainable);
  const optimiser = new AdamW(parameters, { betas: [0.9, 0.99], eps: 1e-8, weightDecay: () => 0 });
  const stage = lossOptions(trainOptions.parse({ stage: 'joint', promptsPerImage: 2 }), trained);
  return async (step: number) => {
    await graphs?.ready();
    let loss = 0;
    const costs = timed(() => {
      const total = () => stageLoss(model, batch, stage, new Random(step)).total;
      const own = gradientsOf(parameters, trained, total, { recompute: false, runner: graphs });
      optimiser.apply(own.grads, () => 1e-4);
      tf.dispose([...own.grads.values()]);
      loss = own.loss;
    });
    return { ...costs, loss };
  };
}

const ways = [copy(undefined), copy(new PartGraphs(console.warn))] as const;
const ratios: { time: number; cpu: number }[] = [];
for (let step = -2; step < count; step++) {
  const [plain, graphs] = [await ways[0](step), await ways[1](step)];
  const text = ({ seconds, cpu, loss }: typeof plain) =>
    `${seconds.toFixed(2)} s, CPU ${cpu.toFixed(2)} s, loss ${loss.toFixed(5)}`;
  console.log(
    `  ${step < 0 ? 'warm-up' : `pair ${step + 1}`}: one by one ${text(plain)}; as graphs ${text(graphs)}`,
  );
  if (step >= 0) ratios.push({ time: plain.seconds / graphs.seconds, cpu: plain.cpu / graphs.cpu });
}
const middle = (of: 'time' | 'cpu') => median(ratios.map((ratio) => ratio[of])).toFixed(2);
console.log(`as graphs ${middle('time')}x as fast, ${middle('cpu')}x by CPU time`);
