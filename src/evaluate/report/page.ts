import type { ScoredImage } from '../cases.js';
import { METRICS } from '../metrics/table.js';
import type { DatasetSummary } from '../summary.js';
import { digits, escapeHtml, table } from './html.js';
import { overlayLegend, overlayPatterns } from './overlay.js';
import { countPlot, reliabilityPlot, strataPlot, thresholdPlot } from './plots.js';
import { style } from './style.js';

/** An image with its outlines. */
export interface Picture {
  readonly title: string;
  readonly text: string;
  readonly svg: string;
}

export interface Page {
  readonly title: string;
  readonly madeAt: string;
  readonly datasets: readonly DatasetSummary[];
  readonly images: readonly ScoredImage[];
  readonly pictures: readonly Picture[];
  readonly warnings: readonly string[];
  /** What the numbers follow from: name and value. */
  readonly madeFrom: readonly (readonly [string, string])[];
  /** Longer texts: settings, model card; name and text. */
  readonly attachments: readonly (readonly [string, string])[];
}

/** One page without a single address outside of it: figures, plots, pictures, definitions, and what it was made from. */
export async function reportPage(page: Page): Promise<string> {
  const { datasets, images } = page;
  const sections = [
    headline(datasets),
    ...page.warnings.map((text) => `<p class="warning">${escapeHtml(text)}</p>`),
    summaryTable(datasets),
    await curves(datasets, images),
    await strataSection(datasets),
    picturesSection(page.pictures),
    imagesTable(images),
    definitions(datasets),
    origin(page),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title><style>${style}</style></head><body>
${overlayPatterns}<header><h1>${escapeHtml(page.title)}</h1><p class="sub">${images.length} images; made ${escapeHtml(page.madeAt)}</p></header>
${sections.filter((text) => text !== '').join('\n')}
</body></html>
`;
}

function headline(datasets: readonly DatasetSummary[]): string {
  const boxes = datasets.map(({ dataset, metrics, pooled }) => {
    const f1 = metrics['f1_50'];
    return `<div>${escapeHtml(dataset)}: mean F1 at IoU 0.5<strong>${digits(f1?.mean)}</strong><span class="sub">95 % interval ${digits(f1?.low)} to ${digits(f1?.high)}; pooled over objects ${digits(pooled[0]?.f1)}</span></div>`;
  });
  return `<div class="headline">${boxes.join('')}</div>`;
}

function summaryTable(datasets: readonly DatasetSummary[]): string {
  const rows = METRICS.map(({ key, title }) => [
    title,
    ...datasets.map(({ metrics }) => {
      const m = metrics[key];
      return m === undefined ? '–' : `${digits(m.mean)}  (${digits(m.low)} to ${digits(m.high)})`;
    }),
  ]);
  const row = (name: string, of: (d: DatasetSummary) => string) => [name, ...datasets.map(of)];
  const extra = [
    row('Pooled: TP / FP / FN at 0.5', ({ pooled: [half] }) => `${half?.tp} / ${half?.fp} / ${half?.fn}`),
    row('Pooled: F1 at 0.5', ({ pooled: [half] }) => digits(half?.f1)),
    row('Box AP, COCO', ({ box }) => digits(box?.ap)),
    row('Box AP50, COCO', ({ box }) => digits(box?.ap50)),
    row('Images', ({ images }) => String(images)),
    row('True objects', ({ objects }) => String(objects)),
  ];
  return `<h2>Summary</h2>${table(['', ...datasets.map((d) => d.dataset)], [...rows, ...extra], 'Means over images; in brackets 95 % intervals from 1,000 resamples of the images')}`;
}

async function curves(datasets: readonly DatasetSummary[], images: readonly ScoredImage[]): Promise<string> {
  const figure = (svg: string, text: string) =>
    `<figure>${svg}<figcaption>${escapeHtml(text)}</figcaption></figure>`;
  const figures = [
    figure(await thresholdPlot(datasets), 'How scores fall as the masks have to fit better.'),
    figure(await countPlot(images), 'Objects found against true ones, one mark an image; dashed: equal.'),
  ];
  for (const { dataset, reliability } of datasets) {
    if (reliability === null) continue;
    const text = `${dataset}: how often objects of a score are true (IoU 0.5), with their number; expected calibration error ${digits(reliability.error)}.`;
    figures.push(figure(await reliabilityPlot(reliability), text));
  }
  return `<h2>Curves</h2><div class="plots">${figures.join('\n')}</div>`;
}

async function strataSection(datasets: readonly DatasetSummary[]): Promise<string> {
  const parts: string[] = [];
  for (const summary of datasets) {
    if (summary.strata.length === 0) continue;
    const rows = summary.strata.map((s) => [
      `${s.kind}: ${s.name}`,
      String(s.images ?? ''),
      String(s.objects),
      s.f1 === undefined ? '' : `${digits(s.f1.mean)} (${digits(s.f1.low)} to ${digits(s.f1.high)})`,
      digits(s.recall),
      digits(s.precision),
    ]);
    const header = ['part', 'images', 'true objects', 'F1, mean over images', 'recall', 'precision'];
    parts.push(
      `<h3>${escapeHtml(summary.dataset)}</h3><figure>${await strataPlot(summary)}</figure>${table(header, rows)}`,
    );
  }
  return parts.length === 0
    ? ''
    : `<h2>Where it works and where it does not</h2><p>At an IoU of 0.5.</p>${parts.join('\n')}`;
}

function picturesSection(pictures: readonly Picture[]): string {
  const figures = pictures.map(
    ({ title, text, svg }) =>
      `<figure class="picture"><h3>${escapeHtml(title)}</h3>${svg}<figcaption>${escapeHtml(text)}</figcaption></figure>`,
  );
  return `<h2>Best, median and worst image</h2>${overlayLegend}<div class="pictures">${figures.join('\n')}</div>`;
}

function imagesTable(images: readonly ScoredImage[]): string {
  const shown = METRICS.filter(({ key }) =>
    ['f1_50', 'panoptic_quality_50', 'aji', 'boundary_f1'].includes(key),
  );
  const rows = [...images]
    .sort((a, b) => (a.scores.thresholds[0]?.f1 ?? 0) - (b.scores.thresholds[0]?.f1 ?? 0))
    .map(({ id, dataset, scores }) => {
      const [half] = scores.thresholds;
      const counts = [half?.tp, half?.fp, half?.fn].map(String);
      return [`${dataset}: ${id}`, ...shown.map((m) => digits(m.of(scores))), ...counts];
    });
  const header = ['image', ...shown.map((m) => m.title), 'found', 'false', 'missed'];
  return `<h2>Every image</h2><details><summary>${rows.length} images, worst first; the same as per_image.csv</summary>${table(header, rows)}</details>`;
}

function definitions(datasets: readonly DatasetSummary[]): string {
  const own = METRICS.map(
    ({ title, definition }) => `<dt>${escapeHtml(title)}</dt><dd>${escapeHtml(definition)}</dd>`,
  );
  const box = datasets.some((d) => d.box !== null)
    ? '<dt>Box AP, COCO</dt><dd>Average precision of the detector’s boxes as pycocotools computes it: mean over IoU 0.5 to 0.95, 101 recalls, up to 10,000 boxes an image, before any threshold.</dd>'
    : '';
  return `<h2>Definitions</h2><dl>${own.join('')}${box}</dl><p>Of an image without true and without found objects every ratio is 1; where one of the two is empty, 0. Density and size are divided at their thirds.</p>`;
}

function origin({ madeAt, madeFrom, attachments }: Page): string {
  const rows = [['Made', madeAt] as const, ...madeFrom];
  const list = rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  const texts = attachments.map(
    ([name, text]) => `<h3>${escapeHtml(name)}</h3><pre>${escapeHtml(text)}</pre>`,
  );
  return `<h2>Made from</h2><dl>${list.join('')}</dl>${texts.join('')}`;
}
