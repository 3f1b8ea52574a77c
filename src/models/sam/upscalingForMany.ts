import { into, pipe, product, squaredLengths, tf } from '../../tf/index.js';
import { project } from '../linear.js';
import type { Weights } from '../parameters.js';
import { centredStep } from './centredStep.js';
import { CHANNEL_NORM_EPS } from './imageEncoder.js';
import type { PromptedImage, SharedImage } from './sharedImage.js';

/** Prompts that are upscaled at once: so many that what is passed from step to step stays in the processor's cache. */
const TOGETHER = 2;

/** GELU's input, over sqrt 2, of the column that carries the second step's bias: there erf is 1 in single precision. */
const CARRIER = 4;

/**
 * Both transposed convolutions, the product with the mask's kernel, and one rearrangement at the very end. Every group of
 * channels has one more, of zeros, which the norm's bias makes a constant: so the second bias costs no pass of its own.
 */
export function upscaledMasks(
  shared: SharedImage,
  image: PromptedImage,
  kernel: tf.Tensor,
  weights: Weights,
): tf.Tensor4D {
  const { height: h, width: w } = shared;
  const { scale, rows, vectors } = image as Required<PromptedImage>;
  const [n, , p] = rows.shape;
  const projected = withCarrier(project(vectors, centredStep(weights).kernel)); // [n, m, C + 4]
  const offset = withCarrier(shared.upscaledOffset.reshape([1, 1, -1]));
  const common = withCarrier(shared.upscaled);
  const inverse = scale.reciprocal(); // [n, 1, p]
  const eps = inverse.square().mul(CHANNEL_NORM_EPS);
  const second = secondStep(weights);
  const channels = kernel.shape[1] as number; // C / 8
  const ofMask = kernel.mul(Math.SQRT1_2).expandDims(2); // [n, C / 8, 1]
  // `halfGelu` is `z erf(z) + z`, and of the second part's product with the mask's kernel no more than this is left.
  const straight = project(second.reshape([-1, channels]), ofMask.squeeze([2]).transpose() as tf.Tensor2D)
    .transpose()
    .reshape([n, -1, 4]); // [n, C / 4 + 1, 4]
  const parts: tf.Tensor[] = [];
  for (let at = 0; at < n; at += TOGETHER) {
    const k = Math.min(TOGETHER, n - at);
    const own = <T extends tf.Tensor>(x: T): T => x.slice([at, 0, 0], [k, -1, -1]);
    const part = tf.tidy(() => {
      // The offset is one more vector, which the scale must not change.
      const left = tf.concat([own(rows), own(inverse)], 1) as tf.Tensor3D; // [k, m + 1, p]
      const right = tf.concat([own(projected), offset.tile([k, 1, 1])], 1) as tf.Tensor3D; // [k, m + 1, C + 4]
      const half = into(
        tf.matMul(left, right, true),
        (x) => x.add(common),
        (x) => x.reshape([k * p * 4, -1]),
        (x) => normalisedCentred(x, own(eps), weights.scope('1')),
        halfGelu,
      );
      const linear = tf.matMul(half.reshape([k, 4 * p, -1]), own(straight)); // [k, 4 p, 4]
      return into(
        half,
        (x) => product(x, second), // [k 4 p, 4 * C / 8]
        (x) => into(x.erf(), (y) => y.mul(x)),
        (x) => tf.matMul(x.reshape([k, 16 * p, channels]), own(ofMask)),
        (x) => x.reshape(linear.shape).add(linear),
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

/** `[.., .., 4 * c]` with one zero after every c channels. */
function withCarrier(x: tf.Tensor): tf.Tensor {
  const [a, b, channels] = x.shape as [number, number, number];
  return tf
    .pad(x.reshape([a, b, 4, channels / 4]), [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 1],
    ])
    .reshape([a, b, channels + 4]);
}

/**
 * `x / sqrt 2` of the channel norm's result, for rows that have no mean, and the carrier: `[r, c + 1]`.
 *
 * @param eps what is added to the variance of every pixel, `[k, 1, p]`
 */
function normalisedCentred(x: tf.Tensor, eps: tf.Tensor, weights: Weights): tf.Tensor {
  const width = (x.shape[1] as number) - 1;
  const factor = into(
    squaredLengths(x),
    (y) => y.div(width).reshape([-1, 4]),
    (y) =>
      y
        .add(eps.reshape([-1, 1]))
        .rsqrt()
        .reshape([-1, 1]),
  );
  return pipe(
    x,
    (y) => y.mul(factor),
    (y) => y.mul(tf.pad(weights.get('weight').mul(Math.SQRT1_2), [[0, 1]])),
    (y) => y.add(tf.pad(weights.get('bias').mul(Math.SQRT1_2), [[0, 1]], CARRIER)),
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

/**
 * The second transposed convolution as a matrix that takes `halfGelu` and gives the next one's input, its bias in the
 * carrier's row: `[C / 4 + 1, 4 * C / 8]`.
 */
function secondStep(weights: Weights): tf.Tensor2D {
  const filter = weights.get('3.weight'); // [2, 2, out, in]
  const [, , outputs, inputs] = filter.shape as [number, number, number, number];
  const weight = filter.transpose([3, 0, 1, 2]).reshape([inputs, 4 * outputs]);
  const bias = weights.get('3.bias').tile([4]).reshape([1, -1]);
  return tf.concat([weight.mul(0.5), bias.mul(Math.SQRT1_2 / (2 * CARRIER))], 0) as tf.Tensor2D;
}
