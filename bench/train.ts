/**
 * A training step of the image encoder alone, everything trained: forward, backward and AdamW of vit_b at 1024 x 1024,
 * batch 1, ours and PyTorch eager alternating, each in a process of its own.
 *
 *   npm run bench -- train                      5 pairs, the faster of 2 steps each
 *   npm run bench -- train --pairs 3 --steps 1
 *   PYTHON=path/to/python npm run bench -- train
 */
import { fileURLToPath } from 'node:url';
import { preset } from '../src/models/presets.js';
import { tf } from '../src/tf/index.js';
import { AdamW } from '../src/train/optimiser/adamw.js';
import { encoderStep, forwardGflop } from './support/encoder.js';
import { matmulGflops, option, report, timed } from './support/measure.js';
import { ours, pairs, torch } from './support/pairs.js';

const config = preset('vit_b').vit;
const steps = option('steps', 2);

function measure(): void {
  const peak = matmulGflops();
  const { parameters, gradients } = encoderStep(config);
  const optimiser = new AdamW(parameters, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: () => 1e-4 });
  const step = () => {
    const { grads } = gradients(process.argv.includes('--bfloat16'));
    optimiser.apply(grads, () => 1e-5);
    tf.dispose([...grads.values()]);
  };
  report(
    Array.from({ length: steps }, () => timed(step)),
    peak,
  );
}

if (process.argv.includes('--child')) measure();
else {
  const run = {
    ours: () => ours(fileURLToPath(import.meta.url), ['--steps', String(steps)]),
    theirs: () => torch('encoder_torch.py', ['train', String(steps)]),
  };
  const ratio = pairs(option('pairs', 5), run, 3 * forwardGflop(config));
  if (ratio !== undefined)
    console.log(
      `wanted: at most 0.80x time and 0.30x memory; ${ratio.time <= 0.8 && ratio.memory <= 0.3 ? 'met' : 'not met'}`,
    );
}
