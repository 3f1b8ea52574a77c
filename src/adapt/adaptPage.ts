import { signed } from '../core/signed.js';
import { digits, escapeHtml, table } from '../evaluate/report/html.js';
import { pairPlot } from '../evaluate/report/plots.js';
import { style } from '../evaluate/report/style.js';
import type { AdaptOutcome } from './adapt.js';
import { meanOf } from './score.js';

/** What adaptation did, as one page in the form of the evaluation's report: every held-out piece before and after. */
export async function adaptPage(
  title: string,
  outcome: AdaptOutcome,
  madeFrom: readonly (readonly [string, string])[],
  settings: string,
): Promise<string> {
  const { before, after, gain, decision } = outcome;
  const rows = after.map((score, i) => {
    const old = before[i]?.f1 ?? 0;
    return [
      score.id,
      digits(old),
      digits(score.f1),
      signed(score.f1 - old),
      String(score.tp),
      String(score.fp),
      String(score.fn),
    ];
  });
  const header = ['held-out image or part', 'F1 before', 'F1 after', 'gain', 'found', 'false', 'missed'];
  const mean = (scores: AdaptOutcome['before']) => digits(meanOf(scores.map(({ f1 }) => f1)));
  const verdict = decision.isKept
    ? `The adapted model is kept: ${decision.why}.`
    : `The model stays as it was: ${decision.why}.`;
  const pairs = after.map(({ id, f1 }, i) => ({ id, before: before[i]?.f1 ?? 0, after: f1 }));
  const made = [['Made', new Date().toISOString()] as const, ...madeFrom];
  const list = made
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`)
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style>${style}</style></head><body>
<h1>${escapeHtml(title)}</h1>
<div class="headline"><div>F1 at IoU 0.5, held out<strong>${mean(before)} → ${mean(after)}</strong><span class="sub">expected on other images ${signed(gain.mean)}, 95 % interval ${signed(gain.low)} to ${signed(gain.high)}</span></div></div>
<p class="${decision.isKept ? '' : 'warning'}">${escapeHtml(verdict)}</p>
<p>Every image was held out once (of a single image each half): learnt from the others, then scored. The length of learning was chosen by the boxes, one box threshold by the masks that were found on all of them together, which flatters a little. ${outcome.roundSteps.length} rounds of ${outcome.roundSteps.join(', ')} steps; the model that is kept has learnt from all images, ${outcome.steps} steps.</p>
<figure>${await pairPlot(pairs)}</figure>${table(header, rows, 'Counts are those after adaptation')}
<h2>Made from</h2><dl>${list}</dl><h3>Settings</h3><pre>${escapeHtml(settings)}</pre></body></html>
`;
}
