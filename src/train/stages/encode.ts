import type { CellSam, DetectorInputs } from '../../models/cellsam.js';
import { runPart } from '../../models/gradientPlan.js';
import type { Weights } from '../../models/parameters.js';
import { listedTokens, neck, type Tokens, tokensFrom, vitTokens } from '../../models/sam/imageEncoder.js';
import { noTape, type tf } from '../../tf/index.js';
import type { Stage } from './stage.js';

/** What a stage needs of the encoder. */
export interface StageInputs {
  /** `[B, h, w, C]` for the mask decoder; absent in stage 1. */
  readonly embedding?: tf.Tensor4D;
  /** What the detector reads; absent in stage 2. */
  readonly detector?: DetectorInputs;
}

/**
 * Encodes images as far as a stage needs it. A ViT of which nothing is trained is computed outside the tape, so that its
 * activations are freed at once.
 *
 * @param isTrained whether any weight of this prefix is trained
 */
export function encodeForStage(
  model: CellSam,
  images: tf.Tensor4D,
  stage: Stage,
  isTrained: (pattern: RegExp) => boolean,
): StageInputs {
  const { config } = model;
  const name = `ViT ${JSON.stringify(config.vit)}`;
  const plan = model.parameters.plan();
  plan?.constants.add(images);
  const vit = (which: 'mask' | 'detector'): Tokens => {
    const isOwn = which === 'detector' && config.layout === 'two';
    const weights = isOwn ? model.detectorEncoder : model.imageEncoder;
    const pattern = isOwn
      ? /^cellfinder\.decode_head\.backbone\./
      : new RegExp(`^${config.maskBranch}\\.image_encoder\\.(?!neck\\.)`);
    const compute = (x: tf.Tensor4D, own: Weights) => listedTokens(vitTokens(x, own, config.vit));
    if (!isTrained(pattern)) {
      const made = noTape(() => compute(images, weights));
      for (const y of made) plan?.constants.add(y);
      return tokensFrom(made);
    }
    return tokensFrom(runPart(name, [images], weights, ([x], own) => compute(x as tf.Tensor4D, own)));
  };
  const mask = stage === 'detector' ? undefined : vit('mask');
  const embedding = mask === undefined ? undefined : neck(mask.tokens, model.imageEncoder.scope('neck'));
  let own: Tokens | undefined;
  if (stage !== 'masks') own = mask !== undefined && config.layout === 'shared' ? mask : vit('detector');
  const { tokens: detectorTokens, ...finer } = own ?? {};
  return {
    ...(embedding === undefined ? {} : { embedding }),
    ...(detectorTokens === undefined ? {} : { detector: { detectorTokens, ...finer } }),
  };
}
