/** `cellsam/evaluate`: cells against truth, on plain arrays and without TensorFlow. */
export {
  type ImageScores,
  meanF1,
  poolScores,
  scoreImage,
  THRESHOLDS,
  type ThresholdScores,
} from './metrics.js';
