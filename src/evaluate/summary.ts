import { csvField } from '../core/csv.js';
import { Random } from '../core/random.js';
import { type Interval, meanWithInterval } from './bootstrap.js';
import type { ScoredImage } from './cases.js';
import { type BoxAp, boxAveragePrecision } from './metrics/boxAp.js';
import { type ImageScores, meanF1, poolScores } from './metrics/metrics.js';
import { METRICS } from './metrics/table.js';
import type { ThresholdScores } from './metrics/thresholdScores.js';
import { type Reliability, reliability } from './reliability.js';
import { type Stratum, strata } from './strata.js';

/** All numbers of one data set. Names are those of `summary.json` and `--json`. */
export interface DatasetSummary {
  readonly dataset: string;
  readonly images: number;
  readonly objects: number;
  /** Mean over images with its interval, by metric. */
  readonly metrics: Readonly<Record<string, Interval>>;
  /** Mean over images of F1 at each IoU threshold. */
  readonly mean_f1: readonly number[];
  /** From counts summed over images, at each IoU threshold. */
  readonly pooled: readonly ThresholdScores[];
  /** COCO's, of the detector's boxes; null where none are known. */
  readonly box: BoxAp | null;
  readonly reliability: Reliability | null;
  readonly strata: readonly Stratum[];
}

/** One row of `per_image`. */
export interface ImageRow extends ImageScores {
  readonly dataset: string;
  readonly id: string;
  readonly group: string | null;
  /** Hash of the files or pixels that were scored, except the model. */
  readonly inputs: string;
  /** Hash of the true masks, so that two evaluations are compared on the same ones. */
  readonly truth: string;
}

export function summarise(dataset: string, images: readonly ScoredImage[]): DatasetSummary {
  const random = new Random(`evaluate/${dataset}`);
  const metrics = METRICS.map(({ key, of }) => {
    const values = images.map(({ scores }) => of(scores)).filter((v) => v !== null);
    return [key, meanWithInterval(values, random.split(key))] as const;
  });
  const boxes = images.flatMap((image) => (image.boxes === undefined ? [] : [image.boxes]));
  return {
    dataset,
    images: images.length,
    objects: images.reduce((sum, { scores }) => sum + scores.n_true, 0),
    metrics: Object.fromEntries(metrics.filter(([, { mean }]) => Number.isFinite(mean))),
    mean_f1: meanF1(images.map(({ scores }) => scores)),
    pooled: poolScores(images.map(({ scores }) => scores)),
    box: boxes.length === images.length ? boxAveragePrecision(boxes) : null,
    reliability: reliability(images) ?? null,
    strata: strata(images, random),
  };
}

export function rowOf({ dataset, id, group, inputs, truth, scores }: ScoredImage): ImageRow {
  return { dataset, id, group: group ?? null, inputs, truth, ...scores };
}

/** `per_image.csv` as RFC 4180 wants it: fields quoted where needed, lines end in CR LF. */
export function perImageCsv(rows: readonly ImageRow[]): string {
  const header = [
    'dataset',
    'id',
    'group',
    'n_true',
    'n_pred',
    'tp_50',
    'fp_50',
    'fn_50',
    ...METRICS.map((m) => m.key),
  ];
  const lines = rows.map((row) => {
    const half = row.thresholds.find(({ threshold }) => threshold === 0.5);
    const counts = [row.n_true, row.n_pred, half?.tp, half?.fp, half?.fn];
    return [row.dataset, row.id, row.group, ...counts, ...METRICS.map(({ of }) => of(row))];
  });
  return [header, ...lines]
    .map((line) => `${line.map((value) => csvField(String(value ?? ''))).join(',')}\r\n`)
    .join('');
}
