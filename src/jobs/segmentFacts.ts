import { areasOf } from '../image/labels.js';
import type { Cells } from '../segment/cells.js';

/** What is told of one segmented image besides its files. */
export interface ImageFacts {
  readonly cells: number;
  /** Null without cells. */
  readonly medianAreaPx: number | null;
  /** Of the detector, or the predicted IoU where boxes were given; null without cells. */
  readonly meanScore: number | null;
  /** What the score of a box had to exceed; null where boxes were given. */
  readonly boxThreshold: number | null;
  /** Magnification at which the model saw the image; null for models that bring every image to their size. */
  readonly zoom: number | null;
}

/** Digits that are kept of what is not a whole number. */
const DIGITS = 4;

export function factsOf({ labels, scores, boxThreshold, zoom }: Cells): ImageFacts {
  return asFacts({ areas: areasOf(labels), scores, boxThreshold, zoom });
}

/** @param parts.areas pixels of each cell; 0 for numbers that have none */
export function asFacts(parts: {
  readonly areas: ArrayLike<number>;
  readonly scores: Float32Array;
  readonly boxThreshold: number | undefined;
  readonly zoom: number | undefined;
}): ImageFacts {
  const { scores, boxThreshold, zoom } = parts;
  const areas = Array.from(parts.areas).filter((area) => area > 0);
  return {
    cells: scores.length,
    medianAreaPx: medianOf(areas),
    meanScore: scores.length === 0 ? null : rounded(scores.reduce((sum, v) => sum + v, 0) / scores.length),
    boxThreshold: boxThreshold === undefined ? null : rounded(boxThreshold),
    zoom: zoom === undefined ? null : rounded(zoom),
  };
}

const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

function medianOf(values: number[]): number | null {
  const sorted = values.sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return low === undefined || high === undefined ? null : (low + high) / 2;
}

/** An image of fewer cells makes one look at the options again. */
const FEW = 3;

/**
 * One line about images in which few cells were found, with what may find more; undefined where there are none.
 *
 * @param keepsSize whether the model keeps the pixels' size, so that a magnification may be chosen
 */
export function hintOf(
  images: readonly (ImageFacts & { readonly path: string })[],
  keepsSize: boolean,
): string | undefined {
  const poor = images.filter(({ cells, boxThreshold }) => cells < FEW && boxThreshold !== null);
  const [first] = poor;
  if (first === undefined) return undefined;
  const what =
    images.length === 1
      ? `${first.cells === 0 ? 'No cells were' : first.cells === 1 ? 'One cell was' : `Only ${first.cells} cells were`} found.`
      : `${poor.length} of ${images.length} images ${poor.length === 1 ? 'has' : 'have'} fewer than ${FEW} cells.`;
  const zoom = keepsSize ? 'another --zoom (above 1 for small cells, below 1 for large ones), ' : '';
  const threshold = `a --box-threshold below ${first.boxThreshold}`;
  return `${what} If there should be more: try ${zoom}${threshold}, or teach the model your images with \`cellsam adapt\``;
}
