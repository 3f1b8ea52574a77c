import { tf } from '../../tf/index.js';

/** `[N, 4]` centre x, centre y, width, height -> x0, y0, x1, y1. */
export function toCorners(boxes: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const centre = boxes.slice([0, 0], [-1, 2]);
    const half = boxes.slice([0, 2], [-1, 2]).mul(0.5);
    return tf.concat([centre.sub(half), centre.add(half)], 1) as tf.Tensor2D;
  });
}

/** Generalised IoU (Rezatofighi et al. 2019) of boxes pair by pair: `[N, 4]`, `[N, 4]` corners -> `[N]`. */
export function giou(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
): { readonly giou: tf.Tensor1D; readonly iou: tf.Tensor1D } {
  return tf.tidy(() => {
    const low = (x: tf.Tensor2D) => x.slice([0, 0], [-1, 2]);
    const high = (x: tf.Tensor2D) => x.slice([0, 2], [-1, 2]);
    const area = (sides: tf.Tensor) =>
      sides
        .slice([0, 0], [-1, 1])
        .mul(sides.slice([0, 1], [-1, 1]))
        .flatten();
    const overlap = area(
      tf
        .minimum(high(a), high(b))
        .sub(tf.maximum(low(a), low(b)))
        .relu(),
    );
    const union = area(high(a).sub(low(a)))
      .add(area(high(b).sub(low(b))))
      .sub(overlap);
    const hull = area(tf.maximum(high(a), high(b)).sub(tf.minimum(low(a), low(b))));
    const iou = overlap.div(union) as tf.Tensor1D;
    return { iou, giou: iou.sub(hull.sub(union).div(hull)) as tf.Tensor1D };
  });
}
