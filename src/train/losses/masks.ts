import { detach, tf } from '../../tf/index.js';
import { bceWithLogits, focal } from './focal.js';

export interface MaskLossOptions {
  readonly weights: {
    readonly focal: number;
    readonly dice: number;
    readonly bce: number;
    readonly iou: number;
  };
  readonly focalAlpha: number;
  readonly focalGamma: number;
}

/** SAM's mixture (Kirillov et al. 2023); CellSAM does not publish its own. */
export const MASK_LOSS: MaskLossOptions = {
  weights: { focal: 20, dice: 1, bce: 0, iou: 1 },
  focalAlpha: 0.25,
  focalGamma: 2,
};

/**
 * Stage 2's losses of n masks: means over pixels and boxes, and the squared error of the predicted IoU.
 *
 * @param logits `[n, s, s]` @param truth `[n, s, s]` in {0, 1} @param predictedIou `[n]`
 */
export function maskLosses(
  logits: tf.Tensor,
  truth: tf.Tensor,
  predictedIou: tf.Tensor,
  options: MaskLossOptions = MASK_LOSS,
) {
  return tf.tidy(() => {
    const n = logits.shape[0] as number;
    const z = logits.reshape([n, -1]);
    const t = truth.reshape([n, -1]);
    const p = z.sigmoid();
    const dice = tf
      .sub(
        1,
        p
          .mul(t)
          .sum(1)
          .mul(2)
          .add(1)
          .div(p.sum(1).add(t.sum(1)).add(1)),
      )
      .mean();
    const parts = {
      focal: focal(z, t, options.focalAlpha, options.focalGamma).mean(),
      dice,
      bce: bceWithLogits(z, t).mean(),
      iou: predictedIou.flatten().sub(trueIou(z, t)).square().mean(),
    };
    const { weights } = options;
    const total = parts.focal
      .mul(weights.focal)
      .add(parts.dice.mul(weights.dice))
      .add(parts.bce.mul(weights.bce))
      .add(parts.iou.mul(weights.iou));
    return {
      focal: parts.focal.asScalar(),
      dice: parts.dice.asScalar(),
      bce: parts.bce.asScalar(),
      iou: parts.iou.asScalar(),
      total: total.asScalar(),
    };
  });
}

/** `[n]` IoU of `logits > 0` with the truth, 0 when both are empty; a constant for gradients. */
export function trueIou(logits: tf.Tensor, truth: tf.Tensor): tf.Tensor {
  const n = logits.shape[0] as number;
  const mask = detach(logits).reshape([n, -1]).greater(0).toFloat();
  const t = truth.reshape([n, -1]);
  const overlap = mask.mul(t).sum(1);
  const union = mask.sum(1).add(t.sum(1)).sub(overlap);
  return overlap.div(union.maximum(1));
}
