import { tf } from '../../tf/index.js';

interface Size {
  readonly height: number;
  readonly width: number;
}

/**
 * Mask logits `[n, s, s, M]` at an image's own size, in SAM's two steps: to the padded frame, cut to the content, to the
 * original size. Bilinear with half-pixel centres, without antialiasing.
 */
export function upscaleMasks(masks: tf.Tensor4D, frame: Size, input: Size, original: Size): tf.Tensor4D {
  return tf.tidy(() => {
    const framed = tf.image.resizeBilinear(masks, [frame.height, frame.width], false, true);
    const content = framed.slice([0, 0, 0, 0], [-1, input.height, input.width, -1]);
    return tf.image.resizeBilinear(content, [original.height, original.width], false, true);
  });
}
