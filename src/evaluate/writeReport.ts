import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hearSignals, type JobContext } from '../core/events.js';
import { exists, writeFileAtomic } from '../core/files.js';
import { sha256 } from '../core/hash.js';
import { type Case, type ScoredImage, scoreCase } from './cases.js';
import { digits, escapeHtml } from './report/html.js';
import { overlaySvg } from './report/overlay.js';
import { type Picture, reportPage } from './report/page.js';
import { type DatasetSummary, type ImageRow, perImageCsv, rowOf, summarise } from './summary.js';

/** Raised with every change that makes older reports of the same inputs differ. */
const REPORT_VERSION = 4;

/** What a report is made from, besides the images. */
export interface Origin {
  readonly title: string;
  /** Name and value, e.g. the model's file and its hash. */
  readonly madeFrom: readonly (readonly [string, string])[];
  /** Longer texts: settings, model card. */
  readonly attachments: readonly (readonly [string, string])[];
  readonly warnings: readonly string[];
}

/** Contents of `summary.json`. */
export interface EvaluateResult {
  readonly report: string;
  readonly made_at: string;
  readonly made_from: Readonly<Record<string, string>>;
  /** Hash of images, truth, model and settings: another one, and the report is made anew. */
  readonly inputs: string;
  /** Whether the report was there and nothing had changed. */
  readonly reused: boolean;
  readonly warnings: readonly string[];
  readonly datasets: readonly DatasetSummary[];
  readonly per_image: readonly ImageRow[];
}

/** Scores all cases and writes `report.html`, `per_image.csv` and `summary.json`; nothing is done where nothing changed. */
export async function evaluateCases(
  cases: readonly Case[],
  origin: Origin,
  out: string,
  force: boolean,
  context: JobContext,
): Promise<EvaluateResult> {
  const inputs = sha256(
    JSON.stringify([REPORT_VERSION, origin, cases.map((c) => [c.dataset, c.id, c.group ?? '', c.inputs])]),
  );
  const known = force ? undefined : await readSummary(out);
  if (known?.inputs === inputs && (await exists(known.report))) return { ...known, reused: true };
  const images = await scoreAll(cases, context);
  const names = [...new Set(images.map(({ dataset }) => dataset))];
  const result: EvaluateResult = {
    report: join(out, 'report.html'),
    made_at: new Date().toISOString(),
    made_from: Object.fromEntries(origin.madeFrom),
    inputs,
    reused: false,
    warnings: origin.warnings,
    datasets: names.map((name) =>
      summarise(
        name,
        images.filter(({ dataset }) => dataset === name),
      ),
    ),
    per_image: images.map(rowOf),
  };
  const page = await reportPage({
    ...origin,
    madeAt: result.made_at,
    datasets: result.datasets,
    images,
    pictures: await pictures(cases, images),
    madeFrom: [...origin.madeFrom, ['Hash of all inputs', inputs]],
  });
  await writeFileAtomic(result.report, page);
  await writeFileAtomic(join(out, 'per_image.csv'), perImageCsv(result.per_image));
  await writeFileAtomic(join(out, 'summary.json'), `${JSON.stringify(result, null, 2)}\n`);
  return result;
}

/** A report's `summary.json`, or undefined where there is none that can be read. */
export async function readSummary(folder: string): Promise<EvaluateResult | undefined> {
  try {
    const parsed = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8')) as EvaluateResult;
    const isOwn = Array.isArray(parsed.per_image) && typeof parsed.inputs === 'string';
    return isOwn && parsed.per_image.every(({ truth }) => typeof truth === 'string') ? parsed : undefined;
  } catch {
    return undefined; // absent or from another program: made anew
  }
}

/** Scores in order; pixels of one image at a time. */
export async function scoreAll(cases: readonly Case[], context: JobContext): Promise<ScoredImage[]> {
  const images: ScoredImage[] = [];
  for (const [done, item] of cases.entries()) {
    await hearSignals(context.signal);
    images.push(scoreCase(item, await item.load()));
    context.emit({
      kind: 'progress',
      done: done + 1,
      total: cases.length,
      unit: 'images',
      detail: 'scoring',
    });
  }
  return images;
}

/** Best, median and worst image of every data set, by F1 at 0.5; images with objects where there are any. */
async function pictures(cases: readonly Case[], images: readonly ScoredImage[]): Promise<Picture[]> {
  const out: Picture[] = [];
  for (const name of new Set(images.map(({ dataset }) => dataset))) {
    const own = images.filter(({ dataset }) => dataset === name);
    const shown = own.some(({ scores }) => scores.n_true > 0)
      ? own.filter(({ scores }) => scores.n_true > 0)
      : own;
    const sorted = shown.sort((a, b) => f1Of(b) - f1Of(a));
    const chosen = new Map<ScoredImage, string>();
    for (const [what, image] of [
      ['Best', sorted[0]],
      ['Median', sorted[sorted.length >> 1]],
      ['Worst', sorted.at(-1)],
    ] as const)
      if (image !== undefined && !chosen.has(image)) chosen.set(image, what);
    for (const [image, what] of chosen) {
      const item = cases.find(({ dataset, id }) => dataset === name && id === image.id) as Case;
      const { truth, predicted, image: pixels } = await item.load();
      const { n_true, n_pred, thresholds } = image.scores;
      const half = thresholds[0];
      const label = `${what} image of ${name}: true, found, missed and false cells`;
      out.push({
        title: `${what} of ${name}`,
        text: `${image.id}: F1 ${digits(f1Of(image))}; ${n_true} true and ${n_pred} found cells, ${half?.fn} missed, ${half?.fp} false`,
        svg: await overlaySvg(truth, predicted, pixels, escapeHtml(label)),
      });
    }
  }
  return out;
}

const f1Of = ({ scores }: ScoredImage): number => scores.thresholds[0]?.f1 ?? 0;
