import { tf } from '../../tf/index.js';

/** `max(z, 0) - z t + ln(1 + e^-|z|)`: binary cross entropy of logits, element by element. */
export function bceWithLogits(logits: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  return tf.tidy(() => logits.relu().sub(logits.mul(targets)).add(logits.abs().neg().exp().log1p()));
}

/**
 * Sigmoid focal loss, element by element (Lin et al. 2017, equation 5).
 *
 * @param targets in {0, 1}, the logits' shape
 */
export function focal(logits: tf.Tensor, targets: tf.Tensor, alpha = 0.25, gamma = 2): tf.Tensor {
  return tf.tidy(() => {
    const p = logits.sigmoid();
    const opposite = tf.sub(1, targets);
    const wrong = p.mul(opposite).add(tf.sub(1, p).mul(targets)); // 1 - p_t
    const modulation = gamma === 2 ? wrong.mul(wrong) : wrong.pow(gamma);
    const balance = targets.mul(alpha).add(opposite.mul(1 - alpha));
    return bceWithLogits(logits, targets).mul(modulation).mul(balance);
  });
}
