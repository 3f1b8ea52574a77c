import type { TopLevelSpec } from 'vega-lite';
import type { ScoredImage } from '../cases.js';
import { THRESHOLDS } from '../metrics/metrics.js';
import type { DatasetSummary } from '../summary.js';

/** Told apart by dash and shape as well as by colour; both read on white and on near-black. */
const COLOURS = ['#3387e0', '#d9730d', '#2e9e5b', '#bb5fd0', '#dc5547', '#7f8b9e'];
const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 2, 2, 2],
  [4, 4],
  [10, 4],
];

/** Text and lines take the page's colour, so that plots follow light, dark and paper. */
const config = {
  background: 'transparent',
  view: { stroke: null },
  font: 'system-ui, sans-serif',
  axis: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    domainColor: 'currentColor',
    tickColor: 'currentColor',
    gridColor: 'currentColor',
    gridOpacity: 0.15,
    labelFontSize: 12,
    titleFontSize: 12,
  },
  legend: {
    labelColor: 'currentColor',
    titleColor: 'currentColor',
    orient: 'bottom',
    columns: 2,
    labelFontSize: 12,
    labelLimit: 300,
  },
} as const;

/** A plot as SVG text. Vega is loaded only here. */
async function svgOf(spec: Partial<TopLevelSpec> & object): Promise<string> {
  const vega = await import('vega');
  const { compile } = await import('vega-lite'); // after vega: both load the same modules
  const compiled = compile({ width: 330, height: 230, config, ...spec } as unknown as TopLevelSpec).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

const unit = { domain: [0, 1] };

const series = (names: readonly string[], title: string | null = null) => ({
  color: { field: 'series', type: 'nominal', title, scale: { domain: names, range: COLOURS } },
  strokeDash: { field: 'series', type: 'nominal', title, scale: { domain: names, range: DASHES } },
});

/** Mean F1 of every data set, and pooled precision and recall of a single one, over the IoU threshold. */
export function thresholdPlot(datasets: readonly DatasetSummary[]): Promise<string> {
  const [only] = datasets;
  const rows =
    datasets.length === 1 && only !== undefined
      ? THRESHOLDS.flatMap((iou, i) => [
          { iou, value: only.mean_f1[i], series: 'F1, mean over images' },
          { iou, value: only.pooled[i]?.precision, series: 'precision, pooled' },
          { iou, value: only.pooled[i]?.recall, series: 'recall, pooled' },
        ])
      : datasets.flatMap(({ dataset, mean_f1 }) =>
          THRESHOLDS.map((iou, i) => ({ iou, value: mean_f1[i], series: dataset })),
        );
  const names = [...new Set(rows.map((row) => row.series))];
  return svgOf({
    data: { values: rows },
    mark: { type: 'line', point: { size: 28 }, strokeWidth: 2 },
    encoding: {
      x: { field: 'iou', type: 'quantitative', title: 'IoU threshold', scale: { domain: [0.5, 0.95] } },
      y: { field: 'value', type: 'quantitative', title: null, scale: unit },
      ...series(names),
      shape: { field: 'series', type: 'nominal', title: null, scale: { domain: names } },
    },
  } as object);
}

/** True against predicted counts of every image, with the line of equal counts. */
export function countPlot(images: readonly ScoredImage[]): Promise<string> {
  const values = images.map(({ scores, group, dataset }) => ({
    real: scores.n_true,
    found: scores.n_pred,
    series: group ?? dataset,
  }));
  const most = Math.max(1, ...values.flatMap(({ real, found }) => [real, found]));
  const scale = { type: 'symlog', domain: [0, most], nice: true };
  const names = [...new Set(values.map((v) => v.series))];
  const shapes = names.length > 1;
  return svgOf({
    layer: [
      {
        data: { values: [{ v: 0 }, { v: most }] },
        mark: { type: 'line', color: 'currentColor', opacity: 0.5, strokeDash: [4, 3] },
        encoding: { x: { field: 'v', type: 'quantitative' }, y: { field: 'v', type: 'quantitative' } },
      },
      {
        data: { values },
        mark: { type: 'point', size: 45, strokeWidth: 1.5, color: COLOURS[0] },
        encoding: {
          x: { field: 'real', type: 'quantitative', title: 'true objects in the image', scale },
          y: { field: 'found', type: 'quantitative', title: 'found objects', scale },
          ...(shapes
            ? {
                color: {
                  field: 'series',
                  type: 'nominal',
                  title: null,
                  scale: { domain: names, range: COLOURS },
                },
                shape: { field: 'series', type: 'nominal', title: null },
              }
            : {}),
        },
      },
    ],
  } as object);
}

/** Share of true objects among found ones, by their score. */
export function reliabilityPlot({ bins }: NonNullable<DatasetSummary['reliability']>): Promise<string> {
  return svgOf({
    layer: [
      {
        data: { values: [{ v: 0 }, { v: 1 }] },
        mark: { type: 'line', color: 'currentColor', opacity: 0.5, strokeDash: [4, 3] },
        encoding: { x: { field: 'v', type: 'quantitative' }, y: { field: 'v', type: 'quantitative' } },
      },
      {
        data: { values: bins },
        mark: { type: 'line', point: true, color: COLOURS[0] },
        encoding: {
          x: { field: 'meanScore', type: 'quantitative', title: 'score', scale: unit },
          y: { field: 'shareTrue', type: 'quantitative', title: 'share that is true', scale: unit },
        },
      },
      {
        data: { values: bins },
        mark: { type: 'text', dy: -10, fontSize: 10, color: 'currentColor' },
        encoding: {
          x: { field: 'meanScore', type: 'quantitative' },
          y: { field: 'shareTrue', type: 'quantitative' },
          text: { field: 'objects', type: 'quantitative' },
        },
      },
    ],
  } as object);
}

/** Recall of every stratum; F1 with its interval where images were divided. */
export function strataPlot({ strata }: DatasetSummary): Promise<string> {
  const values = strata.map(({ kind, name, recall, f1 }) => ({
    name: `${kind}: ${name}`,
    value: f1?.mean ?? recall,
    low: f1?.low,
    high: f1?.high,
    series: f1 === undefined ? 'recall of objects' : 'F1, mean over images',
  }));
  const y = { field: 'name', type: 'nominal', sort: null, title: null, axis: { labelLimit: 0 } };
  const names = [...new Set(values.map((v) => v.series))];
  return svgOf({
    data: { values },
    height: { step: 20 },
    width: 420,
    layer: [
      {
        transform: [{ filter: 'isValid(datum.low)' }],
        mark: { type: 'rule', strokeWidth: 2, color: COLOURS[0] },
        encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'point', filled: true, size: 60, opacity: 1 },
        encoding: {
          y,
          x: { field: 'value', type: 'quantitative', title: null, scale: unit },
          color: { field: 'series', type: 'nominal', title: null, scale: { domain: names, range: COLOURS } },
          shape: { field: 'series', type: 'nominal', title: null },
        },
      },
    ],
  } as object);
}

/** F1 over the number of annotated images: every seed a mark, the mean a line with its interval. */
export function learningPlot(
  curve: readonly {
    readonly shots: number;
    readonly f1: { readonly mean: number; readonly low: number; readonly high: number };
  }[],
  runs: readonly { readonly shots: number; readonly f1: number }[],
): Promise<string> {
  const x = {
    field: 'shots',
    type: 'quantitative',
    title: 'annotated images',
    scale: { type: 'symlog', nice: true },
    axis: { values: curve.map(({ shots }) => shots) },
  };
  const y = { type: 'quantitative', title: 'F1 at IoU 0.5, held-out images', scale: { zero: false } };
  const values = curve.map(({ shots, f1 }) => ({ shots, ...f1 }));
  return svgOf({
    layer: [
      {
        data: { values },
        mark: { type: 'area', opacity: 0.2, color: COLOURS[0] },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' } },
      },
      {
        data: { values },
        mark: { type: 'line', color: COLOURS[0], strokeWidth: 2 },
        encoding: { x, y: { ...y, field: 'mean' } },
      },
      {
        data: { values: runs.map(({ shots, f1 }) => ({ shots, f1 })) },
        mark: { type: 'point', shape: 'diamond', size: 50, color: COLOURS[1], strokeWidth: 2 },
        encoding: { x, y: { ...y, field: 'f1' } },
      },
    ],
  } as object);
}

/** F1 before and after, one line an image: a hollow mark before, a filled one after. */
export function pairPlot(
  pairs: readonly { readonly id: string; readonly before: number; readonly after: number }[],
): Promise<string> {
  const y = { field: 'id', type: 'nominal', sort: null, title: null, axis: { labelLimit: 260 } };
  const x = (field: string) => ({ field, type: 'quantitative', title: 'F1 at IoU 0.5', scale: unit });
  const [first, second] = COLOURS;
  return svgOf({
    data: { values: pairs },
    height: { step: 20 },
    width: 420,
    layer: [
      {
        mark: { type: 'rule', color: 'currentColor', opacity: 0.5 },
        encoding: { y, x: x('before'), x2: { field: 'after' } },
      },
      { mark: { type: 'point', size: 60, strokeWidth: 2, color: second }, encoding: { y, x: x('before') } },
      {
        mark: { type: 'point', filled: true, opacity: 1, size: 70, shape: 'diamond', color: first },
        encoding: { y, x: x('after') },
      },
    ],
  } as object);
}
