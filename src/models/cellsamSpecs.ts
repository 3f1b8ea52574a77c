import { cellfinderSpecs } from './cellfinder/specs.js';
import type { ModelConfig } from './options.js';
import { imageEncoderSpecs } from './sam/imageEncoder.js';
import { maskDecoderSpecs } from './sam/maskDecoder.js';
import { promptEncoderSpecs } from './sam/promptEncoder.js';
import { addScoped, type WeightSpecs } from './specs.js';

export const DETECTOR = 'cellfinder.decode_head';
/** The detector's own ViT in the two-ViT layout. */
export const BODY = `${DETECTOR}.backbone.body`;

/** Published names and shapes of every weight of a model, shared heads once. */
export function weightSpecs(config: ModelConfig): WeightSpecs {
  const specs: WeightSpecs = new Map();
  const branch = config.maskBranch;
  addScoped(specs, `${branch}.image_encoder`, imageEncoderSpecs(config.vit, true));
  addScoped(specs, `${branch}.prompt_encoder`, promptEncoderSpecs(config.promptEncoder));
  addScoped(specs, `${branch}.mask_decoder`, maskDecoderSpecs(config.maskDecoder));
  addScoped(
    specs,
    DETECTOR,
    cellfinderSpecs(config.cellfinder, config.vit.embedDim, config.vit.stem === 'conv'),
  );
  if (config.layout === 'two') addScoped(specs, BODY, imageEncoderSpecs(config.vit, false));
  return specs;
}

/** Further names under which the published checkpoint stores a head that all decoder layers share. */
export function sharedCopies(name: string, config: ModelConfig): string[] {
  const match = /^(.*\.transformer\.(?:class|bbox)_embed\.)0(\..*)$/.exec(name);
  if (match === null) return [];
  return Array.from({ length: config.cellfinder.decLayers - 1 }, (_, i) => `${match[1]}${i + 1}${match[2]}`);
}

/** Every name that a file of a model holds, the copies of the shared heads too. */
export function fileNames(config: ModelConfig): Map<string, { readonly shape: readonly number[] }> {
  return new Map(
    [...weightSpecs(config)].flatMap(([name, spec]) =>
      [name, ...sharedCopies(name, config)].map((own) => [own, spec] as const),
    ),
  );
}

/** Names of the third SAM that the released checkpoint has besides its mask branch `model_cp`; inference does not use it. */
export function spareNames(config: ModelConfig): ReadonlySet<string> {
  if (config.maskBranch !== 'model_cp') return new Set();
  const names = [...weightSpecs(config).keys()].filter((name) => name.startsWith('model_cp.'));
  return new Set(names.map((name) => name.replace('model_cp.', 'model.')));
}
