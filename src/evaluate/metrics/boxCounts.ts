import { boxIouTable } from '../../image/boxes.js';
import type { Boxes } from '../../image/types.js';
import type { Counts } from './metrics.js';

/** Boxes matched one to one at an IoU of 0.5, the best overlap first. */
export function boxCounts(truth: Boxes, predicted: Boxes): Counts {
  const iou = boxIouTable(truth, predicted);
  const order = [...iou.keys()].filter((k) => (iou[k] as number) >= 0.5);
  order.sort((a, b) => (iou[b] as number) - (iou[a] as number));
  const used = { truth: new Set<number>(), predicted: new Set<number>() };
  for (const k of order) {
    const [t, p] = [Math.floor(k / predicted.count), k % predicted.count];
    if (used.truth.has(t) || used.predicted.has(p)) continue;
    used.truth.add(t);
    used.predicted.add(p);
  }
  const tp = used.truth.size;
  return { tp, fp: predicted.count - tp, fn: truth.count - tp };
}
