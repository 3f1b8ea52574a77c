import { tf } from '../../tf/index.js';

/** `[..., ] -> [..., F]`: interleaved sines and cosines of positions in 0..1 (Wang et al. 2022, Anchor DETR). */
export function sine1d(positions: tf.Tensor, features: number): tf.Tensor {
  return tf.tidy(() => {
    const half = features / 2;
    const frequencies = Float32Array.from(
      { length: half },
      (_, k) => (2 * Math.PI) / 10000 ** ((2 * k) / features),
    );
    const angles = positions.expandDims(-1).mul(tf.tensor1d(frequencies));
    return tf.stack([angles.sin(), angles.cos()], -1).reshape([...positions.shape, features]);
  });
}

/** `[..., 2] (x, y) -> [..., F]`: half the features for y, then half for x. */
export function sine2d(xy: tf.Tensor, features: number): tf.Tensor {
  return tf.tidy(() => {
    const axis = (index: number) =>
      xy
        .slice([...xy.shape.slice(0, -1).map(() => 0), index], [...xy.shape.slice(0, -1), 1])
        .reshape(xy.shape.slice(0, -1));
    return tf.concat([sine1d(axis(1), features / 2), sine1d(axis(0), features / 2)], -1);
  });
}

/** Where rows and columns of tokens lie in the content: `y [B, h]` and `x [B, w]`, centres in 0..1 of what is not padded. */
export function tokenPositions(padding: tf.Tensor3D): { readonly y: tf.Tensor2D; readonly x: tf.Tensor2D } {
  return tf.tidy(() => {
    const valid = tf.sub(1, padding.toFloat());
    const [batch, height, width] = padding.shape;
    const column = valid.slice([0, 0, 0], [-1, -1, 1]).reshape([batch, height]) as tf.Tensor2D;
    const row = valid.slice([0, 0, 0], [-1, 1, -1]).reshape([batch, width]) as tf.Tensor2D;
    const centres = (v: tf.Tensor2D) => v.cumsum(1).sub(0.5).div(v.sum(1, true)) as tf.Tensor2D;
    return { y: centres(column), x: centres(row) };
  });
}

/** Anchor points of a grid, `[n * n, 2]` (x, y) with x varying slowest. */
export function gridAnchors(count: number): tf.Tensor2D {
  const side = Math.round(Math.sqrt(count));
  const data = new Float32Array(side * side * 2);
  for (let i = 0; i < side * side; i++) {
    data[2 * i] = (Math.floor(i / side) + 0.5) / side;
    data[2 * i + 1] = ((i % side) + 0.5) / side;
  }
  return tf.tensor2d(data, [side * side, 2]);
}
