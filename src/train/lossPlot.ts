import { join } from 'node:path';
import { writeFileAtomic } from '../core/files.js';
import { type MetricLine, readMetrics } from './runFolder.js';

const WIDTH = 860;
const HEIGHT = 420;
const LEFT = 64;
const RIGHT = 64;
const TOP = 40;
const BOTTOM = 48;
/** Points of a curve at most; neighbours are averaged. */
const POINTS = 400;

type Point = readonly [step: number, value: number];

/** Draws `loss.svg` in a run's folder: the loss (left axis, logarithmic) and F1 on the validation part (right axis). */
export async function writeLossPlot(folder: string): Promise<void> {
  await writeFileAtomic(join(folder, 'loss.svg'), lossPlot(await readMetrics(folder)));
}

/** The plot as one SVG text that needs nothing else. */
export function lossPlot(lines: readonly MetricLine[]): string {
  const losses = lines.flatMap((l): Point[] =>
    typeof l['loss'] === 'number' && l['loss'] > 0 ? [[l.step, l['loss']]] : [],
  );
  const scores = lines.flatMap((l): Point[] =>
    l.validationF1 === undefined ? [] : [[l.step, l.validationF1]],
  );
  const last = Math.max(1, ...lines.map((l) => l.step));
  const curve = averaged(losses, Math.max(1, Math.ceil(losses.length / POINTS)));
  const logs = curve.map(([, v]) => Math.log10(v));
  const [low, high] = [Math.min(0, ...logs), Math.max(low10(logs), ...logs)];
  const x = (step: number) => LEFT + ((WIDTH - LEFT - RIGHT) * step) / last;
  const y = (share: number) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share;
  const ofLoss = (value: number) => y((Math.log10(value) - low) / (high - low));
  const path = (points: readonly Point[], place: (value: number) => number) =>
    points.map(([s, v], i) => `${i === 0 ? 'M' : 'L'}${x(s).toFixed(1)} ${place(v).toFixed(1)}`).join('');
  const dots = scores
    .map(([s, v]) => `<circle cx="${x(s).toFixed(1)}" cy="${y(v).toFixed(1)}" r="3" fill="#c2410c"/>`)
    .join('');
  const stepLabels = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const step = Math.round(share * last);
    return text(x(step), HEIGHT - BOTTOM + 18, String(step), 'middle');
  });
  const lossLabels = ticks(low, high).map((power) =>
    text(
      LEFT - 8,
      y((power - low) / (high - low)) + 4,
      Number((10 ** power).toPrecision(2)).toString(),
      'end',
    ),
  );
  const scoreLabels = [0, 0.5, 1].map((v) => text(WIDTH - RIGHT + 8, y(v) + 4, String(v), 'start'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="24" fill="#1d4ed8">loss (logarithmic)</text><text x="${WIDTH - RIGHT}" y="24" fill="#c2410c" text-anchor="end">F1 on validation images</text>
<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}V${TOP}" fill="none" stroke="#888"/>
${[...stepLabels, ...lossLabels, ...scoreLabels].join('')}${text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, 'step', 'middle')}
<path d="${path(curve, ofLoss)}" fill="none" stroke="#1d4ed8" stroke-width="1.5"/>
<path d="${path(scores, y)}" fill="none" stroke="#c2410c" stroke-width="1.5"/>${dots}
</svg>
`;
}

/** A plot of one value still needs a height. */
const low10 = (logs: readonly number[]): number => Math.min(0, ...logs) + 0.1;

/** At least two places of the logarithmic axis that are named. */
function ticks(low: number, high: number): number[] {
  const whole = Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);
  return whole.length >= 2 ? whole : [low, (low + high) / 2, high];
}

function averaged(points: readonly Point[], size: number): Point[] {
  const out: Point[] = [];
  for (let i = 0; i < points.length; i += size) {
    const own = points.slice(i, i + size);
    const mean = (part: 0 | 1) => own.reduce((sum, point) => sum + point[part], 0) / own.length;
    out.push([mean(0), mean(1)]);
  }
  return out;
}

const text = (x: number, y: number, content: string, anchor: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="#444">${content}</text>`;
