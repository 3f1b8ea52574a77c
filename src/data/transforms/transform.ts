import type { z } from 'zod';
import type { Random } from '../../core/random.js';
import type { Patch } from '../prepared.js';

/**
 * A linear map of the plane, from a field's pixels to the view's: `x' = a x + b y`, `y' = c x + d y`. Where the view is cut
 * is decided once, after all maps are joined, so that pixels are interpolated only once.
 */
export interface Matrix {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

export const IDENTITY: Matrix = { a: 1, b: 0, c: 0, d: 1 };
/** Left and right change places. */
export const MIRROR: Matrix = { a: -1, b: 0, c: 0, d: 1 };

/** First `first`, then `then`. */
export function joined(first: Matrix, then: Matrix): Matrix {
  return {
    a: then.a * first.a + then.b * first.c,
    b: then.a * first.b + then.b * first.d,
    c: then.c * first.a + then.d * first.c,
    d: then.c * first.b + then.d * first.d,
  };
}

interface Described<S extends z.ZodObject> {
  /** The key below `data.augment`. */
  readonly name: string;
  readonly options: S;
}

/** An augmentation that moves pixels; masks and boxes move with them. */
export interface Geometry<S extends z.ZodObject = z.ZodObject> extends Described<S> {
  readonly kind: 'geometry';
  draw(options: z.output<S>, random: Random): Matrix; // a method, so that tables of several options can be walked
}

/** An augmentation that changes values; masks stay. The patch that is given is not changed. */
export interface Pixels<S extends z.ZodObject = z.ZodObject> extends Described<S> {
  readonly kind: 'pixels';
  apply(patch: Patch, options: z.output<S>, random: Random): Patch;
}

/** Keeps the options' type. */
export const defineGeometry = <S extends z.ZodObject>(transform: Geometry<S>): Geometry<S> => transform;
export const definePixels = <S extends z.ZodObject>(transform: Pixels<S>): Pixels<S> => transform;
