import { into, pipe, product, tf } from '../../tf/index.js';
import { project } from '../linear.js';
import type { Weights } from '../parameters.js';
import { centredStep } from './centredStep.js';
import { CHANNEL_NORM_EPS } from './imageEncoder.js';
import type { PromptedImage, SharedImage } from './sharedImage.js';

/** Prompts that are upscaled at once: so many that what is passed from step to step stays in the processor's cache. */
const TOGETHER = 2;

/** Both transposed convolutions, the product with the mask's kernel, and one rearrangement at the very end. */
export function upscaledMasks(
  shared: SharedImage,
  image: PromptedImage,
  kernel: tf.Tensor,
  weights: Weights,
): tf.Tensor4D {
  const { height: h, width: w } = shared;
  const { scale, rows, vectors } = image as Required<PromptedImage>;
  const [n, , p] = rows.shape;
  const projected = project(vectors, centredStep(weights).kernel); // [n, m, C]
  const c = projected.shape[2] as number;
  const second = secondStep(weights);
  const ofMask = kernel.mul(Math.SQRT1_2).expandDims(2); // [n, C / 8, 1]
  const offset = shared.upscaledOffset.reshape([1, 1, c]);
  const parts: tf.Tensor[] = [];
  for (let at = 0; at < n; at += TOGETHER) {
    const k = Math.min(TOGETHER, n - at);
    const own = <T extends tf.Tensor>(x: T): T => x.slice([at, 0, 0], [k, -1, -1]);
    const part = tf.tidy(() => {
      // The offset is one more vector, which every pixel has once.
      const left = tf.concat([own(rows), tf.ones([k, 1, p])], 1) as tf.Tensor3D; // [k, m + 1, p]
      const right = tf.concat([own(projected), offset.tile([k, 1, 1])], 1) as tf.Tensor3D; // [k, m + 1, C]
      const common = shared.upscaled.mul(own(scale).reshape([k, p, 1]));
      const half = into(common, (x) => into(tf.matMul(left, right, true), (y) => x.add(y)));
      return into(
        half.reshape([k * p * 4, c / 4]),
        (x) => normalisedCentred(x, weights.scope('1')),
        halfGelu,
        (x) => product(x, second.weight),
        (x) => x.add(second.bias), // [k 4 p, 4 * C / 8]
        halfGelu,
        (x) => tf.matMul(x.reshape([k, 16 * p, c / 8]), own(ofMask)),
      );
    });
    parts.push(part);
  }
  // [n * h, w, a, b, c, d] -> rows h, a, c and columns w, b, d
  return tf
    .concat(parts, 0)
    .reshape([n * h, w, 2, 2, 2, 2])
    .transpose([0, 2, 4, 1, 3, 5])
    .reshape([n, 4 * h, 4 * w, 1]) as tf.Tensor4D;
}

/** `x / sqrt 2` of the channel norm's result, for rows that have no mean: `[r, c]`. */
function normalisedCentred(x: tf.Tensor, weights: Weights): tf.Tensor {
  const width = x.shape[1] as number;
  const mean = tf.fill([width, 1], 1 / width) as tf.Tensor2D;
  const factor = pipe(x, (y) => y.square(), (y) => tf.matMul(y as tf.Tensor2D, mean), (y) => y.add(CHANNEL_NORM_EPS).rsqrt()); // biome-ignore format: one
  return pipe(
    x,
    (y) => y.mul(factor),
    (y) => y.mul(weights.get('weight').mul(Math.SQRT1_2)),
    (y) => y.add(weights.get('bias').mul(Math.SQRT1_2)),
  );
}

/** `sqrt 2` times the GELU of `x`, given `x / sqrt 2`: two passes less over the largest tensors. */
const halfGelu = (z: tf.Tensor): tf.Tensor =>
  pipe(
    z,
    (y) => y.erf(),
    (y) => y.mul(z),
    (y) => y.add(z),
  );

/** The second transposed convolution as a matrix that takes `halfGelu` and gives the next one's input. */
function secondStep(weights: Weights): { readonly weight: tf.Tensor2D; readonly bias: tf.Tensor1D } {
  const filter = weights.get('3.weight'); // [2, 2, out, in]
  const [, , outputs, inputs] = filter.shape as [number, number, number, number];
  return {
    weight: filter
      .transpose([3, 0, 1, 2])
      .reshape([inputs, 4 * outputs])
      .mul(0.5) as tf.Tensor2D,
    bias: weights.get('3.bias').mul(Math.SQRT1_2).tile([4]) as tf.Tensor1D,
  };
}
