import type { PixelImage } from '../image/types.js';
import type { Instances } from './sample.js';

/** A box as an annotation gives it: edges in pixels. */
export interface GivenBox {
  readonly xyxy: readonly [x0: number, y0: number, x1: number, y1: number];
  readonly name?: string;
}

export interface BoxAnnotation {
  readonly instances: Instances;
  /** All that were given, broken ones included. */
  readonly objectCount: number;
  readonly warnings: readonly string[];
}

/** Boxes that can be learnt from: those without area or outside the image are left out, others cut at its border; each is told. */
export function checkBoxes(given: readonly GivenBox[], image: PixelImage): BoxAnnotation {
  const { height, width } = image;
  const kept: number[] = [];
  const classes: string[] = [];
  const warnings: string[] = [];
  for (const { xyxy, name = 'cell' } of given) {
    const [x0, y0, x1, y1] = xyxy;
    const cut = [Math.max(0, x0), Math.max(0, y0), Math.min(width, x1), Math.min(height, y1)] as const;
    const told = `${name} (${xyxy.join(', ')})`;
    if (!xyxy.every(Number.isFinite)) warnings.push(`the box of ${told} is no box; it is left out`);
    else if (!(x1 > x0 && y1 > y0)) warnings.push(`the box of ${told} has no area; it is left out`);
    else if (!(cut[2] > cut[0] && cut[3] > cut[1]))
      warnings.push(`the box of ${told} lies outside the image of ${width} x ${height}; it is left out`);
    else {
      if (cut.some((edge, i) => Math.abs(edge - (xyxy[i] as number)) > 1))
        warnings.push(`the box of ${told} reaches beyond the image of ${width} x ${height}; it is cut there`);
      kept.push(...cut);
      classes.push(name);
    }
  }
  const boxes = { count: kept.length / 4, xyxy: Float32Array.from(kept) };
  return { instances: { kind: 'boxes', boxes, classes }, objectCount: given.length, warnings };
}
