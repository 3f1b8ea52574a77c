import { detectorMemory } from '../models/cellfinder/cellfinder.js';
import type { CellSam, DetectorInputs } from '../models/cellsam.js';
import { neck } from '../models/sam/imageEncoder.js';
import { tf } from '../tf/index.js';
import type { StageInputs } from '../train/stages/encode.js';

/** Tensors of one view behind the last frozen layer, by name. */
export type ViewFeatures = Readonly<Record<string, tf.Tensor4D>>;

/**
 * Where the frozen part of a model ends: for the masks before or behind the neck, for the detector behind the ViT or
 * behind its own encoder layers. What is trained must lie behind it.
 */
export interface Boundary {
  readonly masks: 'none' | 'tokens' | 'embedding';
  readonly detector: 'none' | 'tokens' | 'memory';
}

const NECK = /image_encoder\.neck\./;
const VIT = /image_encoder\.(?!neck\.)|backbone\.body\./;
const DETECTOR = /^cellfinder\.decode_head\.(?!backbone\.)/;
/** What the detector's memory depends on. */
const MEMORY = /^cellfinder\.decode_head\.(input_proj\.|transformer\.(encoder_layers\.|adapt_pos))/;

/**
 * The boundary for a set of trained weights, or undefined when the ViT itself is trained and nothing can be kept.
 *
 * @param usesMasks whether masks are learnt too
 */
export function boundaryOf(
  model: CellSam,
  trained: readonly string[],
  usesMasks: boolean,
): Boundary | undefined {
  const any = (pattern: RegExp) => trained.some((name) => pattern.test(name));
  if (any(VIT)) return undefined;
  const behindMemory = model.config.cellfinder.proposals === 'learned' && !any(MEMORY);
  const detector = any(DETECTOR) ? (behindMemory ? 'memory' : 'tokens') : 'none';
  const masks = usesMasks ? (any(NECK) ? 'tokens' : 'embedding') : 'none';
  return { masks, detector };
}

/** Runs the frozen part on images `[B, S, S, 3]`; the caller owns the tensors. */
export function featuresOf(model: CellSam, images: tf.Tensor4D, boundary: Boundary): ViewFeatures {
  return tf.tidy(() => {
    const { tokens, embedding, detectorTokens, stride4 } = model.encode(images);
    const features: Record<string, tf.Tensor4D> = {};
    if (boundary.masks === 'tokens') features['tokens'] = tokens;
    if (boundary.masks === 'embedding') features['embedding'] = embedding;
    if (boundary.detector === 'tokens') {
      features['detectorTokens'] = detectorTokens.clone(); // may be the same tensor as the masks' tokens
      if (stride4 !== undefined) features['stem.stride4'] = stride4;
    }
    if (boundary.detector === 'memory') {
      const [b, h, w] = detectorTokens.shape;
      const padding: tf.Tensor3D = tf.zeros([b, h, w], 'bool');
      const { projected, encoded } = detectorMemory(
        detectorTokens,
        padding,
        model.detector,
        model.config.cellfinder,
      );
      Object.assign(features, { projected, encoded });
    }
    return features;
  });
}

/** Kept features as the losses want them; whatever lies behind the boundary is computed here, on the tape. */
export function inputsFrom(model: CellSam, features: ViewFeatures, boundary: Boundary): StageInputs {
  for (const tensor of Object.values(features)) model.parameters.plan()?.constants.add(tensor);
  const of = (name: string): tf.Tensor4D => features[name] as tf.Tensor4D;
  const inputs: { embedding?: tf.Tensor4D; detector?: DetectorInputs } = {};
  if (boundary.masks === 'tokens') inputs.embedding = neck(of('tokens'), model.imageEncoder.scope('neck'));
  if (boundary.masks === 'embedding') inputs.embedding = of('embedding');
  if (boundary.detector === 'tokens') {
    const finer = 'stem.stride4' in features ? { stride4: of('stem.stride4') } : {};
    inputs.detector = { detectorTokens: of('detectorTokens'), ...finer };
  }
  if (boundary.detector === 'memory') {
    const memory = { projected: of('projected'), encoded: of('encoded') };
    inputs.detector = { detectorTokens: memory.encoded, memory };
  }
  return inputs;
}
