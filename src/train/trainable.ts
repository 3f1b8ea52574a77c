import { ConfigError } from '../core/errors.js';
import { weightSpecs } from '../models/cellsamSpecs.js';
import type { ModelConfig } from '../models/options.js';
import type { TrainOptions } from './options.js';

type Choice = Pick<TrainOptions, 'stage' | 'trainable'>;

/** What each stage reaches, and in stage 2 what the paper trains. */
const USUAL: Readonly<Record<TrainOptions['stage'], readonly string[]>> = {
  detector: ['^cellfinder\\.', 'image_encoder\\.(?!neck\\.)'],
  masks: ['image_encoder\\.neck\\.'],
  joint: ['.'],
};

/** One pattern of a configuration with the weights that it adds. */
export interface TrainedPattern {
  readonly pattern: string;
  readonly names: readonly string[];
  readonly parameters: number;
}

/**
 * Names of the weights that are trained, in the model's order.
 *
 * @throws ConfigError when no weight fits, or one of the patterns fits none
 */
export function trainedNames(config: ModelConfig, choice: Choice): string[] {
  const own = new Set(trainedPatterns(config, choice).flatMap(({ names }) => names));
  return [...weightSpecs(config).keys()].filter((name) => own.has(name));
}

/**
 * The same by pattern; a weight that several fit belongs to the first.
 *
 * @throws ConfigError as above
 */
export function trainedPatterns(config: ModelConfig, choice: Choice): TrainedPattern[] {
  const specs = [...weightSpecs(config)].filter(([, { isTrainable }]) => isTrainable !== false);
  // In the layout with two ViTs stage 1 reaches the detector's own, not the mask branch's.
  const isReached = (name: string) =>
    choice.trainable !== undefined ||
    choice.stage !== 'detector' ||
    config.layout === 'shared' ||
    name.startsWith('cellfinder.');
  const taken = new Set<string>();
  const patterns = (choice.trainable ?? USUAL[choice.stage]).map((pattern) => {
    const fits = new RegExp(pattern);
    const all = specs.filter(([name]) => fits.test(name) && isReached(name));
    const own = all.filter(([name]) => !taken.has(name));
    for (const [name] of own) taken.add(name);
    const parameters = own.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    return { pattern, names: own.map(([name]) => name), parameters, isUsed: all.length > 0 };
  });
  const unused = choice.trainable === undefined ? [] : patterns.filter(({ isUsed }) => !isUsed);
  if (taken.size > 0 && unused.length === 0)
    return patterns.map(({ pattern, names, parameters }) => ({ pattern, names, parameters }));
  const which = unused.map(({ pattern }) => `\`${pattern}\``).join(', ');
  throw new ConfigError(
    which === '' ? 'no weight fits train.trainable' : `no weight fits ${which} of train.trainable`,
    { where: 'train.trainable', fix: 'use patterns of weight names such as `neck` or `mask_decoder`' },
  );
}
