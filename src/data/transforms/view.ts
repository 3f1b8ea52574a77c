import type { Random } from '../../core/random.js';
import { boxesOf } from '../../image/labels.js';
import type { Patch, PreparedField } from '../prepared.js';
import { type AugmentOptions, changeValues, drawGeometry } from './augment.js';
import { drawCrop, fitWhole, type Placed } from './crop.js';
import { mosaic } from './mosaic.js';
import { drawScale } from './scale.js';
import { joined, type Matrix } from './transform.js';
import { warp } from './warp.js';

/** How training views are made. */
export interface ViewOptions {
  /** Of a view, in px. */
  readonly side: number;
  /** Smallest and largest magnification. */
  readonly scale: readonly [number, number];
  /** Fields are magnified or reduced until the median side of their objects is this many px. */
  readonly objectSide?: number | undefined;
  /** A window of the field, or the whole of it, its longer side filling the view. */
  readonly fit: 'crop' | 'whole';
  readonly augment: AugmentOptions;
}

/** A square piece of an annotated field at the model's size. */
export interface View extends Patch {
  /** `[height, width]` of the content; the view is empty right of it and below it. */
  readonly size: readonly [number, number];
}

/**
 * A random view of a field, or of a mosaic of it and three others: magnified, turned, mirrored, cut, and changed in its
 * values as the options say. Labels move with the pixels and are numbered anew.
 *
 * @param others three fields for a mosaic, or none
 */
export function randomView(
  field: PreparedField,
  others: readonly PreparedField[],
  options: ViewOptions,
  random: Random,
): View {
  const { side, augment } = options;
  const scale = drawScale(options.scale, field.objectSide, options.objectSide, random.split('scale'));
  const matrix = joined(scale, drawGeometry(augment, random.split('geometry')));
  const [second, third, fourth] = others;
  const source =
    second === undefined || third === undefined || fourth === undefined
      ? field
      : mosaic([field, second, third, fourth], windowSide(matrix, side), random.split('mosaic'));
  const map =
    options.fit === 'whole' ? fitWhole(source, matrix, side) : cropOf(source, matrix, options, random);
  const moved = warp(source, map, side);
  return { ...changeValues(moved, augment, random.split('values')), size: map.size };
}

function cropOf(
  source: Patch | PreparedField,
  matrix: Matrix,
  { side, augment }: ViewOptions,
  random: Random,
): Placed {
  const boxes = () =>
    'boxes' in source ? (source as PreparedField).boxes : (source.boxesOnly ?? boxesOf(source.labels));
  return drawCrop(source, boxes, matrix, side, augment.crop, random.split('crop'));
}

/** Side of the square of a field that a view of `side` needs, however it is turned. */
function windowSide({ a, b, c, d }: Matrix, side: number): number {
  const det = Math.abs(a * d - b * c);
  return Math.ceil((Math.max(Math.abs(a) + Math.abs(c), Math.abs(b) + Math.abs(d)) * side) / det);
}

/** The central piece, or the whole where the field is smaller; nothing random, for validation. */
export function centralView(field: PreparedField, side: number): PreparedField {
  const shift = (have: number) => -Math.floor((have - side) / 2);
  const [tx, ty] = [shift(field.width), shift(field.height)];
  return { ...field, ...warp(field, { a: 1, b: 0, c: 0, d: 1, tx, ty, size: [side, side] }, side) };
}
