import { takeBoxes } from '../image/boxes.js';
import type { Boxes } from '../image/types.js';
import type { Detection } from '../models/types.js';
import { withoutDuplicates } from './engine.js';

/** Dense proposals below this are never cells. */
const lowestScore = 0.05;
/** Dense proposals that overlap more are the same cell, unless calibration found another limit. */
const usualSameCell = 0.3;

/**
 * Each image's candidates in falling order of score, without duplicates.
 *
 * @param scores `[B, n]` @param xyxy `[B, n, 4]` in pixels of the frame
 * @param sameCell overlap above which two candidates are one cell; absent: 0.3 for dense proposals, else none
 */
export function candidates(
  scores: Float32Array,
  xyxy: Float32Array,
  batch: number,
  isDense: boolean,
  sameCell = isDense ? usualSameCell : 1,
): Detection[] {
  const each = scores.length / batch;
  return Array.from({ length: batch }, (_, b) => {
    const own = scores.subarray(b * each, (b + 1) * each);
    const boxes = { count: each, xyxy: xyxy.subarray(b * each * 4, (b + 1) * each * 4) };
    return withoutDuplicates(isDense ? likely(own, boxes) : ordered(own, boxes), sameCell);
  });
}

function ordered(scores: Float32Array, boxes: Boxes): Detection {
  const order = Array.from(scores.keys());
  order.sort((i, j) => (scores[j] as number) - (scores[i] as number) || i - j);
  return { boxes: takeBoxes(boxes, order), scores: Float32Array.from(order, (i) => scores[i] as number) };
}

/** Dense proposals that may be cells. */
function likely(scores: Float32Array, boxes: Boxes): Detection {
  const kept = [...scores.keys()].filter((i) => (scores[i] as number) > lowestScore);
  const own = Float32Array.from(kept, (i) => scores[i] as number);
  return ordered(own, takeBoxes(boxes, kept));
}
