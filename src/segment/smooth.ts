import { areasOf, boxesOf, components } from '../image/labels.js';
import { closeMask, type Mask, openMask, smoothEdge } from '../image/morphology.js';
import type { LabelImage } from '../image/types.js';

/** CellSAM's optional smoothing: pieces and holes below this are noise. */
const SMALL = 20;
const FINE = 2;
const COARSE = 10;
const SIGMA = 3;
/** Free space around a cell, so that closing and blurring see its outside. */
const MARGIN = COARSE + 4 * SIGMA;

/**
 * Smooth outlines: of every cell small holes and pieces go, then opening by 2 px, closing by 2 and by 10 px, and a blur of
 * 3 px. Radii are the same for all cells. A cell grows into background only; of two the one drawn first has the pixel.
 */
export function smoothCells(labels: LabelImage): LabelImage {
  const data = new Uint32Array(labels.data.length);
  const { xyxy } = boxesOf(labels);
  for (let label = 1; label <= labels.count; label++) {
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = xyxy.subarray(4 * label - 4, 4 * label);
    if (x1 <= x0) continue;
    const [top, left] = [y0 - MARGIN, x0 - MARGIN];
    const smooth = smoothed(cut(labels, label, top, left, y1 + MARGIN - top, x1 + MARGIN - left));
    for (let i = 0; i < smooth.data.length; i++) {
      if (smooth.data[i] === 0) continue;
      const [y, x] = [top + Math.floor(i / smooth.width), left + (i % smooth.width)];
      if (y < 0 || x < 0 || y >= labels.height || x >= labels.width) continue;
      const at = y * labels.width + x;
      const owner = labels.data[at] as number;
      if (owner === label || (owner === 0 && data[at] === 0)) data[at] = label;
    }
  }
  return { ...labels, data };
}

function smoothed(mask: Mask): Mask {
  const filled = withoutPieces(mask, 0);
  const whole = withoutPieces(filled, 1);
  return smoothEdge(closeMask(closeMask(openMask(whole, FINE), FINE), COARSE), SIGMA);
}

function cut(
  { height, width, data }: LabelImage,
  label: number,
  top: number,
  left: number,
  h: number,
  w: number,
): Mask {
  const out = new Uint8Array(h * w);
  for (let y = Math.max(0, -top); y < Math.min(h, height - top); y++)
    for (let x = Math.max(0, -left); x < Math.min(w, width - left); x++)
      if (data[(y + top) * width + x + left] === label) out[y * w + x] = 1;
  return { height: h, width: w, data: out };
}

/** Turns over pieces of one value (8-connected) that are too small; of the cell itself the largest piece always stays. */
function withoutPieces({ height, width, data }: Mask, value: 0 | 1): Mask {
  const pieces = components(
    data.map((v) => (v === value ? 1 : 0)),
    height,
    width,
    8,
  );
  const areas = areasOf(pieces);
  const limit =
    value === 1
      ? Math.min(
          SMALL,
          areas.reduce((a, b) => Math.max(a, b), 0),
        )
      : SMALL;
  const out = data.map((v, i) => {
    const piece = pieces.data[i] as number;
    return piece > 0 && (areas[piece - 1] as number) < limit ? 1 - v : v;
  });
  return { height, width, data: out };
}
