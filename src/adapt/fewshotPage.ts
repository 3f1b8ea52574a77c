import { signed } from '../core/signed.js';
import { digits, escapeHtml, table } from '../evaluate/report/html.js';
import { learningPlot } from '../evaluate/report/plots.js';
import { style } from '../evaluate/report/style.js';
import type { FewshotResult } from './fewshot.js';

/** The learning curve as one page, in the form of the evaluation's report. */
export async function fewshotPage(
  title: string,
  { curve, runs, nextImage, helpful, heldout }: FewshotResult,
  madeFrom: readonly (readonly [string, string])[],
  settings: string,
): Promise<string> {
  const points = curve.map(({ shots, f1, gain, spread, kept }) => [
    String(shots),
    `${digits(f1.mean)} (${digits(f1.low)} to ${digits(f1.high)})`,
    shots === 0 ? '' : `${signed(gain.mean)} (${signed(gain.low)} to ${signed(gain.high)})`,
    shots === 0 ? '' : `${digits(spread[0])} to ${digits(spread[1])}`,
    shots === 0 ? '' : `${kept} of ${runs.filter((run) => run.shots === shots).length}`,
  ]);
  const header = ['annotated images', 'F1 at IoU 0.5', 'gain', 'seeds from, to', 'adapted model kept'];
  const each = runs.map((run) => [
    `${run.shots}, seed ${run.seed + 1}`,
    digits(run.f1),
    `${run.seconds.toFixed(0)} s`,
    run.why,
  ]);
  const next =
    nextImage === null
      ? ''
      : `<p>One more image would bring about ${signed(nextImage.gain)} (${signed(nextImage.low)} to ${signed(nextImage.high)} over seeds), read from the last step of the curve: F1 grows about evenly with the logarithm of the number of images.</p>`;
  const list = madeFrom
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body>
<h1>${escapeHtml(title)}</h1><p class="sub">${heldout.length} held-out images, the same for every number of annotated ones</p>
<h2>Learning curve</h2><div class="plots"><figure>${await learningPlot(curve, runs)}<figcaption>Line: mean over seeds and images; band: 95 % interval from resampled images; diamonds: seeds.</figcaption></figure></div>
${table(header, points, 'Means over seeds and held-out images; gain against the model as it is, paired by image')}${next}
${helpfulSection(helpful)}<h2>Every adaptation</h2>${table(['images', 'F1', 'time', 'decision'], each)}
<h2>Made from</h2><dl>${list}</dl><h3>Settings</h3><pre>${escapeHtml(settings)}</pre></body></html>
`;
}

function helpfulSection({ images, correlation }: FewshotResult['helpful']): string {
  if (images.length === 0) return '';
  const rows = images.map(({ id, disagreement, f1 }) => [id, digits(disagreement), digits(f1)]);
  const judged =
    correlation === null
      ? ''
      : ` Judged by the truth, which the order does not see: rank correlation with 1 − F1 ${digits(correlation, 2)}.`;
  return `<h2>Which image to annotate next</h2><p>Those of which the model finds other cells when they are mirrored.${judged}</p>${table(['image', 'disagreement', 'F1'], rows)}`;
}
