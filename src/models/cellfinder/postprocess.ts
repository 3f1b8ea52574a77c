import { numbersAt } from '../../image/boxes.js';

/** Boxes of one image in falling order of score, as the published detector gives them. */
export interface RankedBoxes {
  /** `[Q]` probabilities. */
  readonly scores: Float32Array;
  readonly labels: Int32Array;
  /** `[Q]` index of the query; with several classes a query can come more than once. */
  readonly queries: Int32Array;
  /** `[Q, 4]` x0, y0, x1, y1 in pixels. */
  readonly boxes: Float32Array;
}

/**
 * The Q best of all `Q * K` scores; boxes scaled to the image and not clipped (Wang et al. 2022).
 *
 * @param logits `[Q, K]` @param boxes `[Q, 4]` centre form in 0..1
 */
export function postprocessQueries(
  logits: Float32Array,
  boxes: Float32Array,
  classes: number,
  size: { readonly height: number; readonly width: number },
): RankedBoxes {
  const count = boxes.length / 4;
  const order = Int32Array.from(logits, (_, i) => i).sort(
    (a, b) => (logits[b] as number) - (logits[a] as number) || a - b,
  );
  const top = order.subarray(0, count);
  const queries = top.map((i) => Math.floor(i / classes));
  return {
    scores: Float32Array.from(top, (i) => 1 / (1 + Math.exp(-(logits[i] as number)))),
    labels: top.map((i) => i % classes),
    queries,
    boxes: cornersOf(boxes, queries, size),
  };
}

function cornersOf(
  boxes: Float32Array,
  rows: Int32Array,
  size: { readonly height: number; readonly width: number },
): Float32Array {
  const out = new Float32Array(rows.length * 4);
  for (const [i, q] of rows.entries()) {
    const [cx, cy, w, h] = numbersAt(boxes, q);
    out.set(
      [
        (cx - w / 2) * size.width,
        (cy - h / 2) * size.height,
        (cx + w / 2) * size.width,
        (cy + h / 2) * size.height,
      ],
      4 * i,
    );
  }
  return out;
}
