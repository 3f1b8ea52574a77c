import { z } from 'zod';
import type { Patch } from '../prepared.js';
import { definePixels } from './transform.js';

/** Empties one of several channels, as where a stain is missing; never the only one. */
export const channelDrop = definePixels({
  kind: 'pixels',
  name: 'channelDrop',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0).describe('share of views that lose a channel'),
  }),
  apply: (patch, { chance }, random) => {
    if (patch.channels === 1 || !random.chance(chance)) return patch;
    const dropped = random.integer(patch.channels);
    return moved(patch, (c) => (c === dropped ? undefined : c));
  },
});

/** Exchanges two channels, for models that should not rely on which stain is where. */
export const channelSwap = definePixels({
  kind: 'pixels',
  name: 'channelSwap',
  options: z.strictObject({
    chance: z.number().min(0).max(1).default(0).describe('share of views with two channels exchanged'),
  }),
  apply: (patch, { chance }, random) => {
    if (patch.channels === 1 || !random.chance(chance)) return patch;
    const [one, other] = random.permutation(patch.channels);
    return moved(patch, (c) => (c === one ? other : c === other ? one : c));
  },
});

/** @param from the channel that channel c is taken from; undefined for an empty one */
function moved(patch: Patch, from: (c: number) => number | undefined): Patch {
  const { channels } = patch;
  const values = new Float32Array(patch.values.length);
  for (let c = 0; c < channels; c++) {
    const source = from(c);
    if (source === undefined) continue;
    for (let i = 0; i < values.length; i += channels) values[i + c] = patch.values[i + source] as number;
  }
  return { ...patch, values };
}
