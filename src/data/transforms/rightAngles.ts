import { z } from 'zod';
import { defineGeometry, IDENTITY, type Matrix } from './transform.js';

/** No turn, and the three others. */
export const TURNS: readonly Matrix[] = [
  IDENTITY,
  { a: 0, b: -1, c: 1, d: 0 },
  { a: -1, b: 0, c: 0, d: -1 },
  { a: 0, b: 1, c: -1, d: 0 },
];

/** Turns by 0, 90, 180 or 270 degrees, each as likely; no pixel is interpolated. */
export const rightAngles = defineGeometry({
  kind: 'geometry',
  name: 'rightAngles',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(1).describe('share of views that may be turned'),
  }),
  draw: ({ chance }, random) => (random.chance(chance) ? random.pick(TURNS) : IDENTITY),
});
