import { z } from 'zod';
import { defineGeometry, IDENTITY } from './transform.js';

/** Turns by any angle. The window that is cut stays inside the field where the field is large enough. */
export const rotate = defineGeometry({
  kind: 'geometry',
  name: 'rotate',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0).describe('share of views that are turned'),
    degrees: z.number().min(0).max(180).default(180).describe('largest angle, to either side'),
  }),
  draw: ({ chance, degrees }, random) => {
    if (!random.chance(chance)) return IDENTITY;
    const angle = (random.uniform(-degrees, degrees) * Math.PI) / 180;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    return { a: cos, b: -sin, c: sin, d: cos };
  },
});
