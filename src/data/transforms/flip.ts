import { z } from 'zod';
import { defineGeometry, IDENTITY, MIRROR } from './transform.js';

/** Mirrors left and right. Together with turns by right angles all eight orientations of a square arise. */
export const flip = defineGeometry({
  kind: 'geometry',
  name: 'flip',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0.5).describe('share of views that are mirrored'),
  }),
  draw: ({ chance }, random) => (random.chance(chance) ? MIRROR : IDENTITY),
});
