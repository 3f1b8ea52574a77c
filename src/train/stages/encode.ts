import type { CellSam, DetectorInputs } from '../../models/cellsam.js';
import { neck, type Tokens, vitTokens } from '../../models/sam/imageEncoder.js';
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
  const vit = (which: 'mask' | 'detector'): Tokens => {
    const isOwn = which === 'detector' && config.layout === 'two';
    const weights = isOwn ? model.detectorEncoder : model.imageEncoder;
    const pattern = isOwn
      ? /^cellfinder\.decode_head\.backbone\./
      : new RegExp(`^${config.maskBranch}\\.image_encoder\\.(?!neck\\.)`);
    const compute = () => vitTokens(images, weights, config.vit);
    return isTrained(pattern) ? compute() : untaped(compute);
  };
  const mask = stage === 'detector' ? undefined : vit('mask');
  const embedding = mask === undefined ? undefined : neck(mask.tokens, model.imageEncoder.scope('neck'));
  let own: Tokens | undefined;
  if (stage !== 'masks') own = mask !== undefined && config.layout === 'shared' ? mask : vit('detector');
  return {
    ...(embedding === undefined ? {} : { embedding }),
    ...(own === undefined
      ? {}
      : {
          detector: {
            detectorTokens: own.tokens,
            ...(own.stem === undefined ? {} : { stem: own.stem }),
          },
        }),
  };
}

function untaped(compute: () => Tokens): Tokens {
  let names: string[] | undefined;
  const tensors = noTape(() => {
    const { tokens, stem } = compute();
    names = stem === undefined ? undefined : Object.keys(stem);
    return [tokens, ...(stem === undefined ? [] : Object.values(stem as Record<string, tf.Tensor4D>))];
  });
  const tokens = tensors[0] as tf.Tensor4D;
  if (names === undefined) return { tokens };
  const stem = Object.fromEntries(names.map((name, i) => [name, tensors[i + 1]]));
  return { tokens, stem: stem as unknown as NonNullable<Tokens['stem']> };
}
