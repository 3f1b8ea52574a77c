import { areasOf } from '../image/labels.js';
import { type OverlapTable, overlapIou } from '../image/overlap.js';
import type { LabelImage } from '../image/types.js';
import { matchAtLeast } from './metrics/match.js';

/** What is known of each single object of an image, at an IoU of 0.5; object i + 1 at index i. */
export interface ObjectFacts {
  readonly trueAreas: Uint32Array;
  /** IoU with its partner, 0 where it was missed. */
  readonly trueIou: Float32Array;
  /** 1 where another true object is at most 2 px away. */
  readonly isCrowded: Uint8Array;
  readonly foundAreas: Uint32Array;
  /** IoU with its partner, 0 where it is false. */
  readonly foundIou: Float32Array;
  /** Where the program that found them tells. */
  readonly scores?: Float32Array;
}

/** Objects nearer than this to another are crowded. */
const NEAR = 2;

export function objectFacts(
  truth: LabelImage,
  predicted: LabelImage,
  table: OverlapTable,
  scores?: Float32Array,
): ObjectFacts {
  const iou = overlapIou(table);
  const trueIou = new Float32Array(truth.count);
  const foundIou = new Float32Array(predicted.count);
  for (const k of matchAtLeast(table, 0.5)) {
    trueIou[(table.first[k] as number) - 1] = iou[k] as number;
    foundIou[(table.second[k] as number) - 1] = iou[k] as number;
  }
  return {
    trueAreas: areasOf(truth),
    trueIou,
    isCrowded: crowded(truth),
    foundAreas: areasOf(predicted),
    foundIou,
    ...(scores === undefined ? {} : { scores }),
  };
}

/** 1 for objects that have a pixel of another within two steps along a row or column. */
function crowded({ height, width, data, count }: LabelImage): Uint8Array {
  const out = new Uint8Array(count);
  const meet = (a: number, b: number): void => {
    if (b === 0 || a === b) return;
    out[a - 1] = 1;
    out[b - 1] = 1;
  };
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const label = data[i] as number;
      if (label === 0) continue;
      for (let d = 1; d <= NEAR; d++) {
        if (x + d < width) meet(label, data[i + d] as number);
        if (y + d < height) meet(label, data[i + d * width] as number);
      }
    }
  }
  return out;
}
