import type { ImageScores } from './metrics.js';
import type { ThresholdScores } from './thresholdScores.js';

/** One number of an image, as tables, comparisons and `per_image.csv` know it. */
export interface Metric {
  /** The column's name. */
  readonly key: string;
  readonly title: string;
  /** One sentence, shown in the report. */
  readonly definition: string;
  /** Whether a larger number is better; of `count_error` neither is. */
  readonly better: 'higher' | 'lower' | 'none';
  /** `null` where the image does not define it. */
  readonly of: (scores: ImageScores) => number | null;
}

const at =
  (threshold: number, field: keyof ThresholdScores) =>
  (scores: ImageScores): number | null =>
    scores.thresholds.find((s) => s.threshold === threshold)?.[field] ?? null;

const higher = 'higher' as const;

/** Every metric of an image; adding one is a line here and a file beside this one. */
export const METRICS: readonly Metric[] = [
  {
    key: 'f1_50',
    title: 'F1 at IoU 0.5',
    definition: '2 TP / (2 TP + FP + FN); objects are matched one to one with an IoU of at least 0.5.',
    better: higher,
    of: at(0.5, 'f1'),
  },
  {
    key: 'precision_50',
    title: 'Precision at 0.5',
    definition: 'TP / (TP + FP): the share of found objects that are true.',
    better: higher,
    of: at(0.5, 'precision'),
  },
  {
    key: 'recall_50',
    title: 'Recall at 0.5',
    definition: 'TP / (TP + FN): the share of true objects that were found.',
    better: higher,
    of: at(0.5, 'recall'),
  },
  {
    key: 'f1_mean',
    title: 'F1 over IoU 0.5 to 0.95',
    definition: 'Mean of F1 at the IoU thresholds 0.5, 0.55 to 0.95.',
    better: higher,
    of: ({ thresholds }) => thresholds.reduce((sum, s) => sum + s.f1, 0) / thresholds.length,
  },
  {
    key: 'ap_50',
    title: 'TP / (TP + FP + FN) at 0.5',
    definition:
      'What the cell field calls average precision (Data Science Bowl, Cellpose); it is not COCO’s.',
    better: higher,
    of: at(0.5, 'ap'),
  },
  {
    key: 'panoptic_quality_50',
    title: 'Panoptic quality',
    definition: 'Sum of the IoU of matched pairs / (TP + FP/2 + FN/2) at IoU 0.5 (Kirillov et al. 2019).',
    better: higher,
    of: at(0.5, 'panoptic_quality'),
  },
  {
    key: 'mean_matched_iou_50',
    title: 'IoU of matched objects',
    definition: 'Mean IoU of the pairs at IoU 0.5; undefined where nothing matched.',
    better: higher,
    of: at(0.5, 'mean_matched_iou'),
  },
  {
    key: 'aji',
    title: 'Aggregated Jaccard',
    definition: 'Kumar et al. 2017: every true object with its best prediction, the rest counts as union.',
    better: higher,
    of: (s) => s.aji,
  },
  {
    key: 'aji_one_to_one',
    title: 'Aggregated Jaccard, one to one',
    definition: 'The same with one-to-one pairs, as Cellpose computes it.',
    better: higher,
    of: (s) => s.aji_one_to_one,
  },
  {
    key: 'boundary_f1',
    title: 'Boundary F1',
    definition:
      'Harmonic mean of the share of found outline pixels within 2 px of a true outline and the reverse (BF score of Csurka et al. 2013 with a fixed tolerance).',
    better: higher,
    of: (s) => s.boundary_f1,
  },
  {
    key: 'count_error',
    title: 'Count error',
    definition: 'Found minus true objects.',
    better: 'none',
    of: (s) => s.count_error,
  },
  {
    key: 'absolute_count_error',
    title: 'Absolute count error',
    definition: 'Distance of the count from the true one, in objects.',
    better: 'lower',
    of: (s) => Math.abs(s.count_error),
  },
];

/** The metric of this key. @throws RangeError for a key that no metric has */
export function metricNamed(key: string): Metric {
  const metric = METRICS.find((m) => m.key === key);
  if (metric === undefined) throw new RangeError(`there is no metric ${key}`);
  return metric;
}
