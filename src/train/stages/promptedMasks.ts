import type { CellSam } from '../../models/cellsam.js';
import { recomputedPart } from '../../models/gradientPlan.js';
import { tf } from '../../tf/index.js';

/** Boxes `[count, 4]` in px that prompt one image of a batch. */
export interface ImagePrompts {
  readonly image: number;
  readonly boxes: Float32Array;
  readonly count: number;
}

/** Masks as logits `[n, s, s]` and their predicted IoU `[n]`, image by image in the order of the prompts. */
export type PromptedMasks = {
  readonly masks: tf.Tensor3D;
  readonly iou: tf.Tensor1D;
};

/** Numbers of the image stream of the prompts in a part: 8 MiB, seventy times that while its gradient is taken. */
const MAX_STREAM = 2 ** 21;

/**
 * Masks of the prompts of all images. In lean plans the decoder runs on a few prompts at a time and keeps nothing of
 * them; every image's tokens are then shared by its prompts. Without it one pass serves all.
 *
 * @param embedding `[B, h, w, C]`
 */
export function promptedMasks(
  model: CellSam,
  embedding: tf.Tensor4D,
  prompts: readonly ImagePrompts[],
): PromptedMasks {
  return tf.tidy(() => {
    const plan = model.parameters.plan();
    if (plan?.isLean !== true) return inOnePass(model, embedding, prompts);
    const [, h, w, c] = embedding.shape;
    const step = Math.max(1, Math.floor(MAX_STREAM / (h * w * c)));
    const parts: PromptedMasks[] = [];
    for (const { image, boxes, count } of prompts) {
      const own = embedding.slice([image, 0, 0, 0], [1, h, w, c]);
      if (plan.constants.has(embedding)) plan.constants.add(own);
      for (let from = 0; from < count; from += step) {
        const size = Math.min(step, count - from);
        const some = tf.tensor2d(boxes.slice(4 * from, 4 * (from + size)), [size, 4]);
        plan.constants.add(some);
        const [masks, iou] = recomputedPart([own, some], [model.promptEncoder, model.maskDecoder], ([e, b]) =>
          listed(decoded(model, e as tf.Tensor4D, b as tf.Tensor2D)),
        );
        parts.push({ masks: masks as tf.Tensor3D, iou: iou as tf.Tensor1D });
      }
    }
    return {
      masks: tf.concat(
        parts.map((p) => p.masks),
        0,
      ),
      iou: tf.concat(
        parts.map((p) => p.iou),
        0,
      ),
    };
  });
}

/** Every prompt brings its own image's embedding. */
function inOnePass(model: CellSam, embedding: tf.Tensor4D, prompts: readonly ImagePrompts[]): PromptedMasks {
  const owner = Int32Array.from(prompts.flatMap((p) => Array.from({ length: p.count }, () => p.image)));
  const boxes = tf.concat(
    prompts.map((p) => tf.tensor2d(p.boxes, [p.count, 4])),
    0,
  );
  const embeddings =
    prompts.length === 1 && embedding.shape[0] === 1
      ? embedding
      : embedding.gather(tf.tensor1d(owner, 'int32'));
  return decoded(model, embeddings as tf.Tensor4D, boxes as tf.Tensor2D);
}

function decoded(model: CellSam, embedding: tf.Tensor4D, boxes: tf.Tensor2D): PromptedMasks {
  const { masks, iou } = model.decode(embedding, { boxes });
  return { masks: masks.squeeze([3]), iou: iou.flatten() };
}

const listed = ({ masks, iou }: PromptedMasks): tf.Tensor[] => [masks, iou];
