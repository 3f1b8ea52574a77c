import { overlay } from '../image/draw.js';
import { writePng } from '../io/png.js';
import type { FieldScore } from './scoreFields.js';

interface Summary {
  readonly split: string;
  readonly images: number;
  readonly mean_f1: number;
  readonly interval: readonly [number, number];
  readonly pooled_f1: number;
}

/** One self-contained page: the figures with their definition, and the best, median and worst field as pictures. */
export async function reportPage(
  scores: readonly FieldScore[],
  summary: Summary,
  madeFrom: { readonly model: string; readonly modelHash: string; readonly config: string },
): Promise<string> {
  const sorted = [...scores].sort((a, b) => b.f1 - a.f1);
  const shown = [
    ['Best', sorted[0]],
    ['Median', sorted[sorted.length >> 1]],
    ['Worst', sorted.at(-1)],
  ] as const;
  const figures = await Promise.all(
    shown.map(([title, score]) => (score === undefined ? '' : figure(title, score))),
  );
  const rows = sorted.map(
    (s) =>
      `<tr><td>${escapeHtml(s.id)}</td><td>${s.f1.toFixed(3)}</td><td>${s.tp}</td><td>${s.fp}</td><td>${s.fn}</td></tr>`,
  );
  const [low, high] = summary.interval;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>CellSAM report</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
figure { display: inline-block; margin: 0 1rem 1rem 0; } img { width: 18rem; image-rendering: pixelated; display: block; }
table { border-collapse: collapse; } td, th { padding: 0.15rem 0.8rem; text-align: right; border-bottom: 1px solid #8884; }
td:first-child, th:first-child { text-align: left; } pre { overflow-x: auto; font-size: 0.8rem; }
</style></head><body>
<h1>Cells found: ${escapeHtml(summary.split)} part, ${summary.images} images</h1>
<p><strong>Mean F1 at IoU 0.5: ${summary.mean_f1.toFixed(3)}</strong> (95 % interval ${low.toFixed(3)} to ${high.toFixed(3)}, bootstrap over images); pooled over all objects ${summary.pooled_f1.toFixed(3)}.</p>
<p>F1 = 2 TP / (2 TP + FP + FN) for each image; a found cell is true when its mask and a true mask overlap with an intersection over
union of at least 0.5, one to one. An image without cells in which nothing is found counts 1. Whole images are scored; large ones are segmented in tiles.</p>
<h2>Pictures</h2><p>True cells on the left, found cells on the right of each pair.</p>${figures.join('\n')}
<h2>Every image</h2><table><tr><th>image</th><th>F1</th><th>true found</th><th>false</th><th>missed</th></tr>${rows.join('\n')}</table>
<h2>Made from</h2><p>${escapeHtml(madeFrom.model)}, SHA-256 ${madeFrom.modelHash}, on ${new Date().toISOString()}.</p><pre>${escapeHtml(madeFrom.config)}</pre>
</body></html>
`;
}

async function figure(title: string, score: FieldScore): Promise<string> {
  const pictures = await Promise.all(
    [score.truth, score.predicted].map(async (labels) => dataUri(overlay(score.image, labels), score.image)),
  );
  const images = pictures.map(
    (uri, i) => `<img src="${uri}" alt="${i === 0 ? 'true' : 'found'} cells of ${escapeHtml(score.id)}">`,
  );
  return `<div>${images.map((image) => `<figure>${image}</figure>`).join('')}<p>${title}: ${escapeHtml(score.id)}, F1 ${score.f1.toFixed(3)}, ${score.truth.count} true, ${score.predicted.count} found</p></div>`;
}

async function dataUri(
  rgb: Uint8Array,
  size: { readonly width: number; readonly height: number },
): Promise<string> {
  const png = await writePng({ width: size.width, height: size.height, channels: 3, data: rgb });
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

const escapeHtml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
