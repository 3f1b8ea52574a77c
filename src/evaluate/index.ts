/** `cellsam/evaluate`: cells against truth, on plain arrays and without TensorFlow. */

export { boundaryF1 } from './metrics/boundary.js';
export { type BoxAp, type BoxImage, boxAveragePrecision } from './metrics/boxAp.js';
export { type ImageScores, meanF1, poolScores, scoreImage, THRESHOLDS } from './metrics/metrics.js';
export { METRICS, type Metric } from './metrics/table.js';
export type { ThresholdScores } from './metrics/thresholdScores.js';
