/**
 * The image encoder's forward pass, vit_b at 1024 x 1024, ours and PyTorch eager alternating.
 *
 *   npm run bench -- encoder                    3 pairs, the fastest of 3 passes each
 *   PYTHON=path/to/python npm run bench -- encoder --pairs 5
 */
import { fileURLToPath } from 'node:url';
import { preset } from '../src/models/presets.js';
import { neck, vitTokens } from '../src/models/sam/imageEncoder.js';
import { tf } from '../src/tf/index.js';
import { encoderParameters, forwardGflop } from './support/encoder.js';
import { matmulGflops, option, report, timed } from './support/measure.js';
import { ours, pairs, torch } from './support/pairs.js';

const config = preset('vit_b').vit;
const steps = option('steps', 3);

function measure(): void {
  const peak = matmulGflops();
  const parameters = encoderParameters(config);
  const images = tf.randomNormal([1, config.imgSize, config.imgSize, 3], 0, 1, 'float32', 1) as tf.Tensor4D;
  const pass = () => {
    const { tokens } = vitTokens(images, parameters, config);
    const embedding = neck(tokens, parameters.scope('neck'));
    tf.dispose([tokens, embedding]);
  };
  report(
    Array.from({ length: steps }, () => timed(pass)),
    peak,
  );
}

if (process.argv.includes('--child')) measure();
else {
  const run = {
    ours: () => ours(fileURLToPath(import.meta.url), ['--steps', String(steps)]),
    theirs: () => torch('encoder_torch.py', ['forward', String(steps)]),
  };
  const ratio = pairs(option('pairs', 3), run, forwardGflop(config));
  if (ratio !== undefined)
    console.log(`wanted: at most 0.70x time; ${ratio.time <= 0.7 ? 'met' : 'not met'}`);
}
