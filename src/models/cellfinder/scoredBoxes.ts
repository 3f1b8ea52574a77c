import { tf } from '../../tf/index.js';
import type { QueryOutput } from './cellfinder.js';
import type { DenseOutput } from './proposals.js';

/**
 * What a detector found, in one form: the best class's probability of each candidate `[B, n]` and its corners
 * `[B, n, 4]` in pixels of the frame (Wang et al. 2022).
 *
 * @param side of the frame in pixels
 */
export function scoredBoxes(
  output: QueryOutput | DenseOutput,
  side: number,
): { readonly scores: tf.Tensor2D; readonly boxes: tf.Tensor3D } {
  return tf.tidy(() => {
    if (output.kind === 'dense') return { scores: output.logits.sigmoid(), boxes: output.boxes.clone() };
    const { logits, boxes } = lastLayer(output);
    const [cx, cy, w, h] = boxes.split(4, -1) as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
    const corners = [cx.sub(w.div(2)), cy.sub(h.div(2)), cx.add(w.div(2)), cy.add(h.div(2))];
    return {
      scores: logits.max(-1).sigmoid() as tf.Tensor2D,
      boxes: tf.concat(corners, -1).mul(side) as tf.Tensor3D,
    };
  });
}

/** Class logits `[B, Q, K]` and boxes `[B, Q, 4]` (centre form, 0..1) of the last decoder layer. */
export function lastLayer(output: QueryOutput): { readonly logits: tf.Tensor; readonly boxes: tf.Tensor } {
  const last = output.logits.shape[0] - 1;
  const of = (x: tf.Tensor4D) => x.slice([last, 0, 0, 0], [1, -1, -1, -1]).squeeze([0]);
  return { logits: of(output.logits), boxes: of(output.boxes) };
}
