import { toRgb } from '../../image/draw.js';
import { relabel } from '../../image/labels.js';
import { overlapTable } from '../../image/overlap.js';
import { polygonsOf } from '../../image/polygons.js';
import type { LabelImage, PixelImage } from '../../image/types.js';
import { writePng } from '../../io/png.js';
import { matchAtLeast } from '../metrics/match.js';

/** Larger images are shown in part: where most is wrong. */
const MAX_SIDE = 640;

/** The four kinds of outline, each with its own line and filling, so that no colour is needed to read them. */
const KINDS = {
  truth: { title: 'true cell that was found', stroke: '#ffffff', dash: '', fill: 'none' },
  found: { title: 'its found outline', stroke: '#4cc3ff', dash: '4 2', fill: 'none' },
  missed: { title: 'missed: true, not found', stroke: '#ffb000', dash: '', fill: 'url(#hatch)' },
  false: { title: 'false: found, not true', stroke: '#ff5fc4', dash: '1 2', fill: 'url(#dots)' },
} as const;
type Kind = keyof typeof KINDS;

/** Fillings; once in a page. */
export const overlayPatterns = `<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>
<pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" stroke="${KINDS.missed.stroke}" stroke-width="1.4"/></pattern>
<pattern id="dots" width="4" height="4" patternUnits="userSpaceOnUse"><circle cx="2" cy="2" r="0.8" fill="${KINDS.false.stroke}"/></pattern>
</defs></svg>`;

/** What the lines and fillings mean. */
export const overlayLegend = `<ul class="legend">${Object.values(KINDS)
  .map(
    ({ title, stroke, dash, fill }) =>
      `<li><svg width="34" height="20" viewBox="0 0 34 20" aria-hidden="true"><rect width="34" height="20" fill="#333"/><ellipse cx="17" cy="10" rx="14" ry="7" fill="${fill}" stroke="${stroke}" stroke-width="2" stroke-dasharray="${dash}"/></svg>${title}</li>`,
  )
  .join('')}</ul>`;

/** The image with all outlines, as SVG with the pixels inside. @param image of the masks' size; grey where absent */
export async function overlaySvg(
  truth: LabelImage,
  predicted: LabelImage,
  image: PixelImage | undefined,
  title: string,
): Promise<string> {
  const { missed, wrong } = mistakes(truth, predicted);
  const window = windowOf(truth, predicted, missed, wrong);
  const [real, found] = [crop(truth, window), crop(predicted, window)];
  const [height, width] = [window.y1 - window.y0, window.x1 - window.x0];
  const paths = [
    ...outlines(real.labels, (i) => (missed.has(real.ids[i] as number) ? 'missed' : 'truth')),
    ...outlines(found.labels, (i) => (wrong.has(found.ids[i] as number) ? 'false' : 'found')),
  ];
  const line = Math.max(1, Math.max(height, width) / 320);
  const order: readonly Kind[] = ['truth', 'found', 'missed', 'false'];
  const groups = order.map((kind) => {
    const { stroke, dash, fill } = KINDS[kind];
    const d = paths.flatMap((path) => (path.kind === kind ? [path.d] : [])).join('');
    const dashes =
      dash === '' ? '' : ` stroke-dasharray="${dash.split(' ').map((v) => (Number(v) * line).toFixed(1))}"`;
    return `<path class="${kind}" d="${d}" fill="${fill}" fill-rule="evenodd" stroke="${stroke}" stroke-width="${line.toFixed(2)}"${dashes}/>`;
  });
  // A dark line under all others: pale outlines must be seen on a bright ground too.
  const all = paths.map(({ d }) => d).join('');
  const casing = `<path d="${all}" fill="none" stroke="#000" stroke-opacity="0.65" stroke-width="${(2.2 * line).toFixed(2)}"/>`;
  const pixels = image === undefined ? '' : await pixelImage(image, window);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}" xmlns="http://www.w3.org/2000/svg">${pixels}${casing}${groups.join('')}</svg>`;
}

interface Window {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** Labels without a partner at IoU 0.5. */
function mistakes(truth: LabelImage, predicted: LabelImage) {
  const table = overlapTable(truth, predicted);
  const pairs = matchAtLeast(table, 0.5);
  const all = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
  const missed = new Set(all(truth.count));
  const wrong = new Set(all(predicted.count));
  for (const k of pairs) {
    missed.delete(table.first[k] as number);
    wrong.delete(table.second[k] as number);
  }
  return { missed, wrong };
}

/** The whole image, or of windows half a side apart the one with most pixels of missed and false objects. */
function windowOf(truth: LabelImage, predicted: LabelImage, missed: Set<number>, wrong: Set<number>): Window {
  const { height, width } = truth;
  const [h, w] = [Math.min(MAX_SIDE, height), Math.min(MAX_SIDE, width)];
  const starts = (size: number, side: number) =>
    size === side
      ? [0]
      : [...Array(Math.floor((size - side) / (side / 2))).keys()]
          .map((i) => Math.floor((i * side) / 2))
          .concat(size - side);
  let best = { x0: 0, y0: 0, x1: w, y1: h };
  let most = -1;
  for (const y0 of starts(height, h)) {
    for (const x0 of starts(width, w)) {
      let count = 0;
      for (let y = y0; y < y0 + h; y += 4)
        for (let x = x0; x < x0 + w; x += 4) {
          const i = y * width + x;
          if (missed.has(truth.data[i] as number) || wrong.has(predicted.data[i] as number)) count++;
        }
      if (count > most) {
        most = count;
        best = { x0, y0, x1: x0 + w, y1: y0 + h };
      }
    }
  }
  return best;
}

function crop({ data, width }: LabelImage, { x0, y0, x1, y1 }: Window) {
  const out = new Uint32Array((y1 - y0) * (x1 - x0));
  for (let y = y0; y < y1; y++) out.set(data.subarray(y * width + x0, y * width + x1), (y - y0) * (x1 - x0));
  return relabel(out, y1 - y0, x1 - x0);
}

function outlines(labels: LabelImage, kindOf: (index: number) => Kind): { kind: Kind; d: string }[] {
  return polygonsOf(labels).map(({ label, parts }) => ({
    kind: kindOf(label - 1),
    d: parts
      .flat()
      .map((ring) => {
        let d = '';
        for (let i = 0; i < ring.length; i += 2) d += `${i === 0 ? 'M' : 'L'}${ring[i]} ${ring[i + 1]}`;
        return `${d}Z`;
      })
      .join(''),
  }));
}

async function pixelImage(image: PixelImage, { x0, y0, x1, y1 }: Window): Promise<string> {
  const rgb = toRgb(image);
  const [height, width] = [y1 - y0, x1 - x0];
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y + y0) * image.width + x0) * 3;
    data.set(rgb.subarray(from, from + width * 3), y * width * 3);
  }
  const png = await writePng({ width, height, channels: 3, data });
  return `<image width="${width}" height="${height}" style="image-rendering:pixelated" href="data:image/png;base64,${Buffer.from(png).toString('base64')}"/>`;
}
