import { z } from 'zod';
import type { Random } from '../../core/random.js';
import type { Patch } from '../prepared.js';
import { blur } from './blur.js';
import { channelDrop, channelSwap } from './channels.js';
import { cropOptions } from './crop.js';
import { flip } from './flip.js';
import { intensity } from './intensity.js';
import { mosaicOptions } from './mosaic.js';
import { noise } from './noise.js';
import { rightAngles } from './rightAngles.js';
import { rotate } from './rotate.js';
import { IDENTITY, joined, type Matrix } from './transform.js';

/** Every augmentation that moves pixels, in the order in which they act. One file and one line each. */
export const GEOMETRIES = { flip, rightAngles, rotate } as const;
/** Every augmentation that changes values, in the order in which they act. */
export const PIXELS = { intensity, blur, noise, channelDrop, channelSwap } as const;

/** `data.augment`: what chance does to a training view. The defaults are mild; 0 as a chance turns one off. */
export const augmentOptions = z.strictObject({
  crop: cropOptions.prefault({}).describe('which window of a field a view shows'),
  mosaic: mosaicOptions.prefault({}).describe('four fields in one view, for small sets'),
  flip: flip.options.prefault({}).describe('mirror images'),
  rightAngles: rightAngles.options.prefault({}).describe('turns by right angles'),
  rotate: rotate.options.prefault({}).describe('turns by any angle'),
  intensity: intensity.options.prefault({}).describe('brightness, contrast, gamma, haze'),
  blur: blur.options.prefault({}).describe('out of focus'),
  noise: noise.options.prefault({}).describe('noise of camera and photons'),
  channelDrop: channelDrop.options.prefault({}).describe('a missing stain'),
  channelSwap: channelSwap.options.prefault({}).describe('exchanged stains'),
});

export type AugmentOptions = z.infer<typeof augmentOptions>;

/** All geometries as one map. Each draws from a source of its own, so that adding one changes no other. */
export function drawGeometry(options: AugmentOptions, random: Random): Matrix {
  return [
    flip.draw(options.flip, random.split('flip')),
    rightAngles.draw(options.rightAngles, random.split('rightAngles')),
    rotate.draw(options.rotate, random.split('rotate')),
  ].reduce(joined, IDENTITY);
}

/** All changes of values, one after the other. */
export function changeValues(patch: Patch, options: AugmentOptions, random: Random): Patch {
  let changed = intensity.apply(patch, options.intensity, random.split('intensity'));
  changed = blur.apply(changed, options.blur, random.split('blur'));
  changed = noise.apply(changed, options.noise, random.split('noise'));
  changed = channelDrop.apply(changed, options.channelDrop, random.split('channelDrop'));
  return channelSwap.apply(changed, options.channelSwap, random.split('channelSwap'));
}
