import { z } from 'zod';
import { components, relabel } from '../../image/labels.js';
import type { LabelImage } from '../../image/types.js';

/** How the values of a mask become objects. */
export const objectOptions = {
  objects: z
    .enum(['ids', 'pieces', 'foreground'])
    .default('ids')
    .describe(
      'what an object is: all pixels of one value (`ids`), touching pixels of one value (`pieces`), touching pixels of any value (`foreground`); edges and corners touch',
    ),
  values: z
    .array(z.number().int().positive())
    .min(1)
    .optional()
    .describe('mask values that are objects; the others are background. All above 0 when absent'),
};

export interface ObjectOptions {
  readonly objects: 'ids' | 'pieces' | 'foreground';
  readonly values?: readonly number[] | undefined;
}

/** Objects of a mask, numbered, and the values that objects of the kind `ids` had. */
export function objectsOf(
  ids: Uint32Array,
  height: number,
  width: number,
  { objects, values }: ObjectOptions,
): { labels: LabelImage; ids?: Uint32Array } {
  const wanted = values && new Set(values);
  const kept = wanted ? ids.map((id) => (wanted.has(id) ? id : 0)) : ids;
  if (objects === 'ids') return relabel(kept, height, width);
  const joined = objects === 'foreground' ? kept.map((id) => Math.min(1, id)) : kept;
  return { labels: components(joined, height, width, 8) };
}

/**
 * What kind of mask this seems to be: a few values, each in many pieces, are a colour index or classes, not ids.
 *
 * @returns undefined where the values look like ids
 */
export function guessObjects(
  ids: Uint32Array,
  height: number,
  width: number,
): ObjectOptions['objects'] | undefined {
  const values = new Set(ids);
  values.delete(0);
  if (values.size === 0 || values.size > 8) return undefined;
  const pieces = components(ids, height, width, 8).count;
  if (pieces > 3 * values.size) return 'pieces';
  return Math.max(...values) === 255 ? 'foreground' : undefined; // 0, 128, 255: levels of grey as classes
}
