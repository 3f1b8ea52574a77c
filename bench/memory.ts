/**
 * Peak resident memory and time of training steps and of a forward pass, each case in a process of its own, beside the
 * estimates that `train --dry-run` prints.
 *
 *   npm run bench -- memory                     all cases
 *   npm run bench -- memory stage1 stage2       some of them
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Random } from '../src/core/random.js';
import { CellSam, disposeEncoded } from '../src/models/cellsam.js';
import { estimateMemory, type MemoryRequest } from '../src/models/memory.js';
import type { ModelConfig } from '../src/models/options.js';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { estimateTime } from '../src/train/estimateTime.js';
import { globalNorm, gradientsOf } from '../src/train/gradients.js';
import { AdamW } from '../src/train/optimiser/adamw.js';
import { trainOptions } from '../src/train/options.js';
import { PartGraphs } from '../src/train/partGraphs.js';
import { stageLoss } from '../src/train/stages/stage.js';
import { squares } from './support/batch.js';
import { peakMiB } from './support/measure.js';

interface Case {
  readonly about: string;
  readonly preset: string;
  readonly imgSize?: number;
  readonly request: MemoryRequest;
  /** GiB that the peak may reach, where an acceptance names one. */
  readonly limit?: number;
}

const neckAndDecoder = (name: string) => /\.neck\.|mask_decoder/.test(name);

const CASES: Readonly<Record<string, Case>> = {
  stage1: {
    about: 'vit_b 1024, 6+6 layers, 3500 queries, everything trained',
    preset: 'vit_b',
    request: { what: 'detector', batchSize: 1 },
    limit: 7,
  },
  stage2: {
    about: 'vit_b 1024, 64 boxes, neck and decoder trained',
    preset: 'vit_b',
    request: { what: 'masks', batchSize: 1, prompts: 64, isTrained: neckAndDecoder },
    limit: 4,
  },
  forward: {
    about: 'vit_b 1024, encode and detect',
    preset: 'vit_b',
    request: { what: 'forward', batchSize: 1 },
  },
  half: {
    about: 'vit_b 512, both stages at once, 16 boxes, batch 2',
    preset: 'vit_b',
    imgSize: 512,
    request: { what: 'joint', batchSize: 2, prompts: 16 },
  },
  whole: {
    about: 'vit_b 768, 16 boxes, everything trained',
    preset: 'vit_b',
    imgSize: 768,
    request: { what: 'masks', batchSize: 1, prompts: 16 },
  },
  medium: {
    about: 'vit_t 768, both stages at once, 12 boxes, batch 2',
    preset: 'vit_t',
    imgSize: 768,
    request: { what: 'joint', batchSize: 2, prompts: 12 },
  },
  small: {
    about: 'vit_t 256, both stages at once, 6 boxes, batch 4, nothing recomputed',
    preset: 'vit_t',
    request: { what: 'joint', batchSize: 4, prompts: 6, recompute: false },
  },
  tiny: {
    about: 'tiny 256, both stages at once, 6 boxes, batch 4, nothing recomputed',
    preset: 'tiny',
    request: { what: 'joint', batchSize: 4, prompts: 6, recompute: false },
  },
};

function configOf({ preset: name, imgSize }: Case): ModelConfig {
  const config = preset(name);
  return imgSize === undefined ? config : { ...config, vit: { ...config.vit, imgSize } };
}

async function measure(name: string): Promise<void> {
  const one = CASES[name] as Case;
  const config = configOf(one);
  const model = CellSam.create(config, new Random('bench memory'));
  const before = peakMiB();
  const work = one.request.what === 'forward' ? forwardPass(model) : trainingStep(model, one.request);
  const seconds: number[] = [];
  for (let i = 0; i < 2; i++) {
    const started = performance.now();
    await work();
    seconds.push((performance.now() - started) / 1000);
  }
  const peak = peakMiB();
  console.log(
    JSON.stringify({
      peak,
      before,
      seconds: Math.min(...seconds),
      expected: expectedSeconds(model, one.request),
    }),
  );
}

/** The dry run's estimate; none for a forward pass. */
function expectedSeconds(model: CellSam, request: MemoryRequest): number | undefined {
  const { what: stage, batchSize, prompts: promptsPerImage, recompute } = request;
  if (stage === 'forward') return undefined;
  const options = trainOptions.parse({ stage, batchSize, promptsPerImage, recompute });
  return estimateTime(model.config, options, trainedOf(model, request)).secondsPerStep;
}

function trainedOf({ parameters }: CellSam, { isTrained = () => true }: MemoryRequest): string[] {
  return parameters.names().filter((name) => parameters.get(name).trainable && isTrained(name));
}

function forwardPass(model: CellSam): () => void {
  const side = model.config.vit.imgSize;
  const images = tf.randomUniform([1, side, side, 3], -1.7, 1.7) as tf.Tensor4D;
  return () => {
    const encoded = model.encode(images);
    tf.dispose({ ...model.detect(encoded) });
    disposeEncoded(encoded);
  };
}

function trainingStep(model: CellSam, request: MemoryRequest): () => Promise<void> {
  const { parameters } = model;
  const trained = trainedOf(model, request);
  const batch = squares(request.batchSize, model.config.vit.imgSize, request.prompts ?? 64);
  const optimiser = new AdamW(parameters, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: () => 1e-4 });
  const options = {
    stage: request.what as 'detector' | 'masks' | 'joint',
    promptsPerImage: request.prompts ?? 64,
    boxJitter: 0,
    trained,
  };
  const graphs = new PartGraphs(console.warn); // as a run has them
  return async () => {
    const loss = () => stageLoss(model, batch, options, new Random(0)).total;
    const how = { recompute: request.recompute ?? true, runner: graphs };
    const { grads } = gradientsOf(parameters, trained, loss, how);
    await graphs.ready();
    const clip = Math.min(1, 0.1 / (globalNorm(grads) + 1e-6));
    optimiser.apply(grads, () => 1e-5, clip);
    tf.dispose([...grads.values()]);
  };
}

function compare(name: string): void {
  const one = CASES[name] as Case;
  const self = fileURLToPath(import.meta.url);
  const run = spawnSync(process.execPath, [self, '--child', name], { encoding: 'utf8' });
  const line = run.stdout.split('\n').find((l) => l.startsWith('{'));
  if (run.status !== 0 || line === undefined) throw new Error(`${name}: ${run.stderr}`);
  const { peak, before, seconds, expected } = JSON.parse(line) as {
    readonly peak: number;
    readonly before: number;
    readonly seconds: number;
    readonly expected?: number;
  };
  const estimate = estimateMemory(configOf(one), one.request).total / 2 ** 20;
  const verdict =
    one.limit === undefined
      ? ''
      : `, wanted at most ${one.limit} GiB: ${peak <= one.limit * 1024 ? 'met' : 'not met'}`;
  console.log(
    `${name.padEnd(8)} peak ${gib(peak)} (${gib(before)} before the step), estimate ${gib(estimate)} (${(100 * (estimate / peak - 1)).toFixed(0)} %), ${seconds.toFixed(1)} s${expected === undefined ? '' : ` (estimate ${expected.toFixed(1)} s)`}${verdict}   ${one.about}`,
  );
}

const gib = (mib: number): string => `${(mib / 1024).toFixed(2)} GiB`;

const at = process.argv.indexOf('--child');
if (at > 0) await measure(process.argv[at + 1] as string);
else {
  const asked = process.argv.slice(2);
  for (const name of asked.length > 0 ? asked : Object.keys(CASES)) compare(name);
}
