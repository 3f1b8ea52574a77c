/**
 * A step of adaptation with kept features against the same step through the frozen ViT: vit_b at 1024 x 1024, batch 1, a
 * detector trimmed to 300 queries, in pairs on two copies of one model, with the losses of both. The view has about 100 cells.
 * Seconds are processor time, and by the clock in brackets.
 *
 *   npm run bench -- adapt                 3 pairs after a warm-up
 *   npm run bench -- adapt --pairs 5
 */

import { annotatedFields } from '../src/adapt/annotated.js';
import { boundaryOf, featuresOf, inputsFrom } from '../src/adapt/boundary.js';
import { FeatureCache } from '../src/adapt/featureCache.js';
import { gradientsFor } from '../src/adapt/learn.js';
import { PARTS, type Part } from '../src/adapt/options.js';
import { trimQueries } from '../src/adapt/trimQueries.js';
import { type FixedView, fixedViews } from '../src/adapt/views.js';
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
import { lossFrom, stageLoss } from '../src/train/stages/stage.js';
import { option } from './support/measure.js';

const pairs = option('pairs', 3);
const side = option('side', 1024);
const size = preset('vit_b');
const config = { ...size, vit: { ...size.vit, imgSize: side } };
const whole = CellSam.create(config, new Random('bench adapt'));
const trimmed = trimQueries(whole, 300) as CellSam;
whole.dispose();
const arrays = trimmed.toArrays();
trimmed.dispose();
// Magnified four times, it has about 100 cells: as many as 300 queries are left for when `adapt` trims them.
const [field] = annotatedFields([simulate({ modality: 'fluorescence', side: side / 4, seed: 1 })]);
if (field === undefined) throw new Error('no field');
const [view] = fixedViews([field], { side, scales: [4], limit: 1 }, new Random(0)) as [FixedView];

// Made in the warm-up; both kinds of steps use them.
const graphs = new PartGraphs(console.warn);

interface Step {
  readonly seconds: number;
  readonly wall: number;
  readonly loss: number;
}

interface Copy {
  readonly step: () => Promise<Step>;
  readonly dispose: () => void;
}

/** A model of its own that is trained on the one view, with or without kept features. */
function copy(part: Part, isKept: boolean): Copy {
  const model = CellSam.fromArrays(trimmed.config, arrays);
  const trained = model.parameters
    .names()
    .filter((name) => new RegExp(PARTS[part]).test(name) && model.parameters.get(name).trainable);
  const boundary = boundaryOf(model, trained, false);
  if (boundary === undefined) throw new Error('nothing is frozen');
  const cache = new FeatureCache({ memoryBytes: 4e9, diskBytes: 0 });
  const optimiser = new AdamW(model.parameters, { betas: [0.9, 0.99], eps: 1e-8, weightDecay: () => 0 });
  const stage = lossOptions(trainOptions.parse({ stage: 'detector' }), trained);
  const { pixelMean, pixelStd } = config;
  const scale = { side, pixelMean, pixelStd } as Parameters<typeof toBatch>[1];
  const batch = { ...toBatch([view], scale), cursor: { epoch: 0, position: 0, random: [] } };
  const images = () => tf.tensor4d(batch.images, [1, side, side, 3]);
  const step = async () => {
    await graphs.ready();
    const start = process.cpuUsage();
    const began = performance.now();
    const features = isKept
      ? await cache.batch([view.key], () => tf.tidy(() => featuresOf(model, images(), boundary)))
      : undefined;
    const { loss, grads } = gradientsOf(
      model.parameters,
      trained,
      () =>
        features === undefined
          ? stageLoss(model, batch, stage, new Random(0)).total
          : lossFrom(model, inputsFrom(model, features, boundary), batch, stage, new Random(0)).total,
      gradientsFor(config, boundary, graphs),
    );
    optimiser.apply(grads, () => 1e-5);
    tf.dispose([...grads.values(), ...Object.values(features ?? {})]);
    const { user, system } = process.cpuUsage(start); // other programs on the machine do not change it
    return { seconds: (user + system) / 1e6, wall: (performance.now() - began) / 1e3, loss };
  };
  const dispose = () => {
    optimiser.dispose();
    model.dispose();
  };
  return { step, dispose };
}

const text = ({ seconds, wall }: Omit<Step, 'loss'>): string =>
  `${seconds.toFixed(2)} s (${wall.toFixed(2)} s)`;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] as number;

for (const [part, title, wanted] of [
  ['detector', 'ViT frozen, whole detector head trained', 4],
  ['queries', "detector's encoder layers frozen too", 20],
] as const) {
  const [plain, kept] = [copy(part, false), copy(part, true)];
  const times: { plain: Step; kept: Step }[] = [];
  let apart = 0;
  for (let pair = 0; pair <= pairs; pair++) {
    const [a, b] = [await plain.step(), await kept.step()];
    apart = Math.max(apart, Math.abs(a.loss - b.loss));
    if (pair > 0) times.push({ plain: a, kept: b }); // the first pair warms up and fills the cache
    console.log(
      `  ${pair === 0 ? 'warm-up' : `pair ${pair}`}: through the ViT ${text(a)}, kept ${text(b)}; losses ${a.loss.toFixed(6)} ${b.loss.toFixed(6)}`,
    );
  }
  plain.dispose();
  kept.dispose();
  const ratio = (of: (step: Step) => number) => median(times.map((t) => of(t.plain) / of(t.kept))).toFixed(1);
  const middle = (which: 'plain' | 'kept') => ({
    seconds: median(times.map((t) => t[which].seconds)),
    wall: median(times.map((t) => t[which].wall)),
  });
  console.log(
    `${title}, 300 queries, ${side} x ${side}: ${text(middle('plain'))} through the ViT, ${text(middle('kept'))} with kept features, ${ratio((s) => s.seconds)}x (${ratio((s) => s.wall)}x; wanted: ${wanted}x); losses at most ${apart.toExponential(1)} apart`,
  );
}
