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
import { type Geometry, IDENTITY, joined, type Matrix, type Pixels } from './transform.js';

/** Every augmentation that moves pixels, in the order in which they act. */
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
  const all: readonly Geometry[] = Object.values(GEOMETRIES);
  return all
    .map((geometry) => geometry.draw(ownOptions(geometry, options), random.split(geometry.name)))
    .reduce(joined, IDENTITY);
}

/** All changes of values, one after the other. */
export function changeValues(patch: Patch, options: AugmentOptions, random: Random): Patch {
  const all: readonly Pixels[] = Object.values(PIXELS);
  return all.reduce(
    (changed, pixels) => pixels.apply(changed, ownOptions(pixels, options), random.split(pixels.name)),
    patch,
  );
}

/** The options below an augmentation's own key; a test holds that name and key agree. */
const ownOptions = ({ name }: { readonly name: string }, options: AugmentOptions) =>
  options[name as keyof AugmentOptions];
