import type { Boxes } from '../../image/types.js';

/** True and found boxes of one image. */
export interface BoxImage {
  readonly truth: Boxes;
  readonly found: Boxes;
  /** `[found.count]`. */
  readonly scores: ArrayLike<number>;
}

export interface BoxAp {
  /** Mean over IoU thresholds 0.5, 0.55 .. 0.95. */
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
}

const IOU_THRESHOLDS = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);
const RECALL_POINTS = 101;

/**
 * COCO's average precision for boxes of one class (Lin et al. 2014), equal to pycocotools: detections in falling score
 * each take the free true box of largest IoU; precision is made monotone and averaged over 101 recalls. Only touching
 * pairs are compared, so tens of thousands of boxes in an image are fine.
 *
 * @param maxDetections best-scored boxes that count in each image; COCO's own 100 is too few for cells
 * @returns null where there is no true box
 */
export function boxAveragePrecision(images: readonly BoxImage[], maxDetections = 10_000): BoxAp | null {
  const real = images.reduce((sum, { truth }) => sum + truth.count, 0);
  if (real === 0) return null;
  const ranked = images.map((image) => ranking(image, maxDetections));
  const scores = ranked.flatMap(({ order }, i) => order.map((d) => images[i]?.scores[d] as number));
  const order = scores
    .map((_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  const perThreshold = IOU_THRESHOLDS.map((threshold) => {
    const isTrue = ranked.flatMap((image) => hits(image, Math.min(threshold, 1 - 1e-10)));
    return interpolated(
      order.map((i) => isTrue[i] as boolean),
      real,
    );
  });
  const mean = perThreshold.reduce((sum, v) => sum + v, 0) / perThreshold.length;
  return { ap: mean, ap50: perThreshold[0] as number, ap75: perThreshold[5] as number };
}

interface Ranked {
  /** Detections in falling score, equal scores in their order. */
  readonly order: readonly number[];
  /** For each of them the true boxes that it touches in their order, and the IoU. */
  readonly touching: readonly (readonly (readonly [truth: number, iou: number])[])[];
}

function ranking({ truth, found, scores }: BoxImage, maxDetections: number): Ranked {
  const order = Array.from({ length: found.count }, (_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b)
    .slice(0, maxDetections);
  const near = grid(truth);
  return {
    order,
    touching: order.map((d) => {
      const box = found.xyxy.subarray(4 * d, 4 * d + 4);
      return near(box).flatMap((g): [number, number][] => {
        const iou = iouOf(box, truth.xyxy.subarray(4 * g, 4 * g + 4));
        return iou >= 0.5 ? [[g, iou]] : [];
      });
    }),
  };
}

/** Finds the boxes that may touch another: a grid of cells about as large as the boxes. */
function grid({ count, xyxy }: Boxes): (box: ArrayLike<number>) => number[] {
  let extent = 0;
  for (let i = 0; i < count; i++)
    extent += Math.max(
      (xyxy[4 * i + 2] as number) - (xyxy[4 * i] as number),
      (xyxy[4 * i + 3] as number) - (xyxy[4 * i + 1] as number),
    );
  const cell = Math.max(8, extent / Math.max(1, count));
  const cells = new Map<string, number[]>();
  const eachCell = (box: ArrayLike<number>, visit: (key: string) => void): void => {
    const [x0, y0, x1, y1] = Array.from(box, (v) => Math.floor(v / cell)) as [number, number, number, number];
    for (let y = y0; y <= y1; y++) for (let x = x0; x <= x1; x++) visit(`${x},${y}`);
  };
  for (let i = 0; i < count; i++) {
    eachCell(xyxy.subarray(4 * i, 4 * i + 4), (key) => {
      const list = cells.get(key);
      if (list === undefined) cells.set(key, [i]);
      else list.push(i);
    });
  }
  return (box) => {
    const near = new Set<number>();
    eachCell(box, (key) => {
      for (const i of cells.get(key) ?? []) near.add(i);
    });
    return [...near].sort((a, b) => a - b);
  };
}

function iouOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [ax0, ay0, ax1, ay1] = [a[0] as number, a[1] as number, a[2] as number, a[3] as number];
  const [bx0, by0, bx1, by1] = [b[0] as number, b[1] as number, b[2] as number, b[3] as number];
  const shared =
    Math.max(0, Math.min(ax1, bx1) - Math.max(ax0, bx0)) *
    Math.max(0, Math.min(ay1, by1) - Math.max(ay0, by0));
  return shared / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - shared);
}

/** Whether each ranked detection finds a true box that no better one has taken; of equal IoUs the later box. */
function hits({ touching }: Ranked, threshold: number): boolean[] {
  const taken = new Set<number>();
  return touching.map((candidates) => {
    let best = -1;
    let bestIou = threshold;
    for (const [g, iou] of candidates) {
      if (taken.has(g) || iou < bestIou) continue;
      bestIou = iou;
      best = g;
    }
    if (best >= 0) taken.add(best);
    return best >= 0;
  });
}

/** Area under monotone precision, read at 101 recalls. */
function interpolated(isTrue: readonly boolean[], real: number): number {
  const recall: number[] = [];
  const precision: number[] = [];
  let tp = 0;
  for (const [i, hit] of isTrue.entries()) {
    if (hit) tp++;
    recall.push(tp / real);
    precision.push(tp / (i + 1));
  }
  for (let i = precision.length - 1; i > 0; i--)
    precision[i - 1] = Math.max(precision[i - 1] as number, precision[i] as number);
  let sum = 0;
  let at = 0;
  for (let r = 0; r < RECALL_POINTS; r++) {
    while (at < recall.length && (recall[at] as number) < r / (RECALL_POINTS - 1)) at++;
    sum += precision[at] ?? 0;
  }
  return sum / RECALL_POINTS;
}
