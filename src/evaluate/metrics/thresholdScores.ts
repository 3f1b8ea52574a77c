/** Scores of one image, or of summed counts, at one IoU threshold. Field names are those of `--json`. */
export interface ThresholdScores {
  readonly threshold: number;
  /** Pairs with an IoU of at least the threshold, one to one. */
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly precision: number;
  readonly recall: number;
  /** 2 tp / (2 tp + fp + fn). */
  readonly f1: number;
  /** tp / (tp + fp + fn): the cell field's "average precision", which is not COCO's. */
  readonly ap: number;
  /** Sum of the pairs' IoU / (tp + fp/2 + fn/2) (Kirillov et al. 2019). */
  readonly panoptic_quality: number;
  /** `null` when nothing matched. */
  readonly mean_matched_iou: number | null;
}

/**
 * Every ratio from counts. With neither true nor found objects each is 1; with one of the two alone, 0.
 *
 * @param tp pairs
 * @param found objects predicted
 * @param real objects true
 * @param iouSum sum of the pairs' IoU
 */
export function thresholdScores(
  threshold: number,
  tp: number,
  found: number,
  real: number,
  iouSum: number,
): ThresholdScores {
  const [fp, fn] = [found - tp, real - tp];
  const over = (value: number, by: number) => (found + real === 0 ? 1 : by === 0 ? 0 : value / by);
  return {
    threshold,
    tp,
    fp,
    fn,
    precision: over(tp, found),
    recall: over(tp, real),
    f1: over(2 * tp, 2 * tp + fp + fn),
    ap: over(tp, tp + fp + fn),
    panoptic_quality: over(iouSum, tp + fp / 2 + fn / 2),
    mean_matched_iou: tp === 0 ? null : iouSum / tp,
  };
}
