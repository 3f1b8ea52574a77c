import { ConfigError } from '../core/errors.js';
import type { CellSam } from '../models/cellsam.js';
import type { TrainOptions } from './options.js';

/** What each stage reaches, and in stage 2 what the paper trains. */
const USUAL: Readonly<Record<TrainOptions['stage'], readonly string[]>> = {
  detector: ['^cellfinder\\.', 'image_encoder\\.(?!neck\\.)'],
  masks: ['image_encoder\\.neck\\.'],
  joint: ['.'],
};

/**
 * Names of the weights that are trained, in the model's order.
 *
 * @throws ConfigError when no weight fits
 */
export function trainedNames(model: CellSam, options: Pick<TrainOptions, 'stage' | 'trainable'>): string[] {
  const texts = options.trainable ?? USUAL[options.stage];
  const patterns = texts.map((text) => new RegExp(text));
  // In the layout with two ViTs stage 1 reaches the detector's own, not the mask branch's.
  const isReached = (name: string) =>
    options.trainable !== undefined ||
    options.stage !== 'detector' ||
    model.config.layout === 'shared' ||
    name.startsWith('cellfinder.');
  const names = model.parameters
    .names()
    .filter((name) => model.parameters.get(name).trainable && patterns.some((p) => p.test(name)))
    .filter(isReached);
  const unused = texts.filter((_, i) => !model.parameters.names().some((name) => patterns[i]?.test(name)));
  if (names.length > 0 && (options.trainable === undefined || unused.length === 0)) return names;
  throw new ConfigError(
    unused.length === 0
      ? 'no weight fits train.trainable'
      : `no weight fits ${unused.map((text) => `\`${text}\``).join(', ')} of train.trainable`,
    { where: 'train.trainable', fix: 'use patterns of weight names such as `neck` or `mask_decoder`' },
  );
}
