import { Random } from '../../src/core/random.js';
import { tensorFlowShape } from '../../src/models/names.js';
import type { VitConfig } from '../../src/models/options.js';
import { Parameters } from '../../src/models/parameters.js';
import { imageEncoderSpecs, neck, vitTokens } from '../../src/models/sam/imageEncoder.js';
import { tf } from '../../src/tf/index.js';
import { type Gradients, gradientsOf } from '../../src/train/gradients.js';

/** An encoder, one image, and the loss (the mean square of the embedding) with its gradients, everything trained. */
export function encoderStep(config: VitConfig): {
  readonly parameters: Parameters;
  readonly gradients: (bfloat16: boolean) => Gradients;
} {
  const parameters = encoderParameters(config);
  const images = tf.randomNormal([1, config.imgSize, config.imgSize, 3], 0, 1, 'float32', 1) as tf.Tensor4D;
  const loss = () => {
    const { tokens } = vitTokens(images, parameters, config);
    return neck(tokens, parameters.scope('neck')).square().mean().asScalar();
  };
  const names = parameters.names();
  return {
    parameters,
    gradients: (bfloat16) => gradientsOf(parameters, names, loss, { recompute: true, bfloat16 }),
  };
}

/** An image encoder alone, with random weights made by TensorFlow. */
export function encoderParameters(config: VitConfig): Parameters {
  const parameters = new Parameters();
  const random = new Random('bench encoder');
  for (const [name, spec] of imageEncoderSpecs(config, true)) {
    const shape = tensorFlowShape(name, spec.shape);
    const isScale = spec.init.kind === 'constant' && spec.init.value === 1;
    parameters.add(
      name,
      isScale
        ? tf.ones(shape)
        : tf.tidy(() => noise(shape, Math.floor(random.uniform(0, 2 ** 31))).mul(0.02)),
    );
  }
  return parameters;
}

/** Noise without a detour over JavaScript's memory, which would count in the peak. */
function noise(shape: number[], seed: number): tf.Tensor {
  return tf.randomUniform(shape, -1.7, 1.7, 'float32', seed);
}

/** Multiply-adds times two of the encoder's forward pass on one square image, in GFLOP. */
export function forwardGflop(config: VitConfig): number {
  const { embedDim: d, depth, windowSize: w, outChans: c, patchSize } = config;
  const grid = config.imgSize / patchSize;
  const n = grid * grid;
  let sum = n * (3 * patchSize * patchSize * d + d * c + 9 * c * c);
  for (let i = 0; i < depth; i++) {
    const isGlobal = w === 0 || config.globalAttnIndexes.includes(i);
    const side = isGlobal ? grid : w;
    const tokens = isGlobal ? n : (Math.ceil(grid / w) * w) ** 2;
    sum +=
      n * 2 * config.mlpRatio * d * d +
      tokens * 4 * d * d +
      2 * tokens * side * side * d +
      2 * tokens * side * d;
  }
  return (2 * sum) / 1e9;
}
