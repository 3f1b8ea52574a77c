import * as tf from '@tensorflow/tfjs';
import { isNative } from '../backend.js';
import { attributes as a, kernel } from '../ops/kernel.js';

interface ResizeAttributes {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/**
 * The gradient of `resizeBilinear`. TensorFlow.js's own forgets half-pixel centres and is wrong by the factor of the
 * scale. On TensorFlow it is one kernel; elsewhere two matrix products.
 */
export const resizeBilinearGradient: tf.GradConfig = {
  kernelName: 'ResizeBilinear',
  inputsToSave: ['images'],
  gradFunc: (dy, saved, attributes) => {
    const images = saved[0] as tf.Tensor4D;
    const how = attributes as unknown as ResizeAttributes;
    return {
      images: () =>
        isNative()
          ? resizeGradientNative(dy as tf.Tensor4D, images, how)
          : resizeGradientPortable(dy as tf.Tensor4D, images, how),
    };
  },
};

export function resizeGradientNative(dy: tf.Tensor4D, images: tf.Tensor4D, how: ResizeAttributes): tf.Tensor {
  const [gradient] = kernel(
    'ResizeBilinearGrad',
    [
      a.type('T', 'float32'),
      a.bool('align_corners', how.alignCorners),
      a.bool('half_pixel_centers', how.halfPixelCenters),
    ],
    [dy, images],
    1,
  );
  return gradient as tf.Tensor;
}

/** The same by the transposed interpolation matrices. */
export function resizeGradientPortable(
  dy: tf.Tensor4D,
  images: tf.Tensor4D,
  how: ResizeAttributes,
): tf.Tensor {
  return tf.tidy(() => {
    const [batch, height, width, channels] = images.shape;
    const [, rows, columns] = dy.shape;
    const vertical = interpolation(height, rows, how); // [rows, height]
    const horizontal = interpolation(width, columns, how);
    const tall = dy.transpose([1, 0, 2, 3]).reshape([rows, batch * columns * channels]) as tf.Tensor2D;
    const short = tf.matMul(vertical, tall, true).reshape([height, batch, columns, channels]);
    const wide = short.transpose([2, 1, 0, 3]).reshape([columns, batch * height * channels]) as tf.Tensor2D;
    const narrow = tf.matMul(horizontal, wide, true).reshape([width, batch, height, channels]);
    return narrow.transpose([1, 2, 0, 3]);
  });
}

/** `[to, from]`: the two weights of each resampled position. */
function interpolation(from: number, to: number, how: ResizeAttributes): tf.Tensor2D {
  const scale = how.alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  const data = new Float32Array(to * from);
  for (let i = 0; i < to; i++) {
    const position = how.halfPixelCenters ? Math.max(0, (i + 0.5) * scale - 0.5) : i * scale;
    const low = Math.min(from - 1, Math.floor(position));
    const high = Math.min(from - 1, low + 1);
    data[i * from + low] = (data[i * from + low] ?? 0) + 1 - (position - low);
    data[i * from + high] = (data[i * from + high] ?? 0) + (position - low);
  }
  return tf.tensor2d(data, [to, from]);
}
